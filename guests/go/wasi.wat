;; Answers what Go's runtime and library import of WASI (wasi_snapshot_preview1), within the component: a plugin has no
;; arguments, environment, files or sockets, and its time is the `now-ms` of a turn. Nothing is imported for it, because
;; the runtime may call these while the host makes room (cabi_realloc), when a component may not call out.
;; An adapter in the sense of wit-component: it has no memory of its own, and what a plugin does not import is left out.
(module
  (import "env" "memory" (memory 0))

  ;; There is none: no arguments, no variables.
  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func $nothing (param i32 i32) (result i32) (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "args_get" (func $nothing))
  (export "environ_sizes_get" (func $none))
  (export "environ_get" (func $nothing))

  ;; A clock in nanoseconds that only counts how often it was asked: the runtime wants time to pass, and nobody may
  ;; take it for the time.
  (global $clock (mut i64) (i64.const 1000000000))
  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $time i32) (result i32)
    (global.set $clock (i64.add (global.get $clock) (i64.const 1000)))
    (i64.store (local.get $time) (global.get $clock))
    (i32.const 0))
  (func (export "clock_res_get") (param $id i32) (param $resolution i32) (result i32)
    (i64.store (local.get $resolution) (i64.const 1000))
    (i32.const 0))

  ;; Who waits for a clock goes on at once, as if the time had passed; no event is reported, which the runtime takes
  ;; well, while an error ends it.
  (func (export "poll_oneoff")
    (param $subscriptions i32) (param $events i32) (param $length i32) (param $count i32) (result i32)
    (if (i32.eqz (i32.load8_u offset=8 (local.get $subscriptions)))
      (then (global.set $clock (i64.add (global.get $clock) (i64.load offset=24 (local.get $subscriptions))))))
    (i32.store (local.get $count) (i32.const 0))
    (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; The same bytes in every instance: they seed the runtime's hashes and are fit for nothing else.
  (func (export "random_get") (param $to i32) (param $length i32) (result i32)
    (memory.fill (local.get $to) (i32.const 0x5a) (local.get $length))
    (i32.const 0))

  (func (export "proc_exit") (param $code i32) unreachable)

  ;; What is printed is said to be written: the sum of the lengths of all parts.
  (func (export "fd_write")
    (param $file i32) (param $parts i32) (param $left i32) (param $written i32) (result i32) (local $sum i32)
    (loop $next
      (if (local.get $left) (then
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $parts))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  ;; Everything else is about a file or socket, and there is none: 8 is EBADF. One function for each type.
  (func $bad_i (param i32) (result i32) (i32.const 8))
  (func $bad_ii (param i32 i32) (result i32) (i32.const 8))
  (func $bad_iii (param i32 i32 i32) (result i32) (i32.const 8))
  (func $bad_iiii (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad_iiiii (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad_iiiiii (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad_iiiiiii (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad_iL (param i32 i64) (result i32) (i32.const 8))
  (func $bad_iLL (param i32 i64 i64) (result i32) (i32.const 8))
  (func $bad_iLii (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func $bad_iLLi (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func $bad_iiiLi (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func $bad_times (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func $bad_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (export "fd_close" (func $bad_i))
  (export "fd_datasync" (func $bad_i))
  (export "fd_sync" (func $bad_i))
  (export "proc_raise" (func $bad_i))
  (export "fd_fdstat_get" (func $bad_ii))
  (export "fd_fdstat_set_flags" (func $bad_ii))
  (export "fd_filestat_get" (func $bad_ii))
  (export "fd_prestat_get" (func $bad_ii))
  (export "fd_renumber" (func $bad_ii))
  (export "fd_tell" (func $bad_ii))
  (export "sock_shutdown" (func $bad_ii))
  (export "fd_prestat_dir_name" (func $bad_iii))
  (export "path_create_directory" (func $bad_iii))
  (export "path_remove_directory" (func $bad_iii))
  (export "path_unlink_file" (func $bad_iii))
  (export "sock_accept" (func $bad_iii))
  (export "fd_read" (func $bad_iiii))
  (export "path_filestat_get" (func $bad_iiiii))
  (export "path_symlink" (func $bad_iiiii))
  (export "sock_send" (func $bad_iiiii))
  (export "path_readlink" (func $bad_iiiiii))
  (export "path_rename" (func $bad_iiiiii))
  (export "sock_recv" (func $bad_iiiiii))
  (export "path_link" (func $bad_iiiiiii))
  (export "fd_filestat_set_size" (func $bad_iL))
  (export "fd_allocate" (func $bad_iLL))
  (export "fd_fdstat_set_rights" (func $bad_iLL))
  (export "fd_seek" (func $bad_iLii))
  (export "fd_advise" (func $bad_iLLi))
  (export "fd_filestat_set_times" (func $bad_iLLi))
  (export "fd_pread" (func $bad_iiiLi))
  (export "fd_pwrite" (func $bad_iiiLi))
  (export "fd_readdir" (func $bad_iiiLi))
  (export "path_filestat_set_times" (func $bad_times))
  (export "path_open" (func $bad_open)))
