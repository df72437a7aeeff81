;; A plugin that does what the key of its event says, letter by letter, and so can break every rule of the contract.
;;
;;   s  done: skip             E  done: emit a document      B  done: emit the last blob given, as a JSON string
;;   e  done: emit nothing     o  done: emit to an output that is not described
;;   fN done: emit blob N      u  done for a ticket that nobody knows       R  done: retry       F  done: fail
;;   aN ask number N           nN ask number N, with params that follow the clock          iN ask of an undescribed kind
;;   w  wait for an input      z  wait for the next turn, whatever it brings
;;   t  trap                   l  loop forever               m  take memory until there is none, then trap
;;   M  take one more MiB of memory for good, or trap
;;   p  trap if the turn has other inputs                    T  trap if the clock is odd
;;   g  log a line             G  log without a ticket       c  count             q  read state
;;   ?  log what the store `hello` has under `hello`, if anything      +N put the digit N there      -  delete it
;;   @N set the timer `hello` of the wall clock to N                   #  clear it                 |  stop: a timer begins here
;;   rN read the last blob given, N bytes from offset 0      xN read blob N       h  return a huge result
(module
  (import "millrace:plugin/blobs@0.1.0" "read" (func $blob_read (param i64 i64 i32 i32)))
  (import "millrace:plugin/log@0.1.0" "write" (func $log (param i32 i64 i32 i32 i32)))
  (import "millrace:plugin/metrics@0.1.0" "count" (func $count (param i32 i64 i32 i32 i32 i32 i64)))
  (import "millrace:plugin/state@0.1.0" "get" (func $state_get (param i64 i32 i32 i32 i32 i32)))
  (import "millrace:plugin/state@0.1.0" "put" (func $state_put (param i64 i32 i32 i32 i32 i32 i32)))
  (import "millrace:plugin/state@0.1.0" "delete" (func $state_delete (param i64 i32 i32 i32 i32)))
  (import "millrace:plugin/timers@0.1.0" "set" (func $timer_set (param i64 i32 i32 i32 i64)))
  (import "millrace:plugin/timers@0.1.0" "clear" (func $timer_clear (param i64 i32 i32 i32)))
  (memory (export "memory") 64)
  (global $heap (mut i32) (i32.const 131072))
  (global $now (mut i64) (i64.const 0))
  (global $inputs (mut i32) (i32.const 0))
  (global $outputs (mut i32) (i32.const 0))
  (global $sleeper (mut i64) (i64.const 0))
  (data (i32.const 64) "reason")
  (data (i32.const 80) "revision")
  (data (i32.const 96) "{}")
  (data (i32.const 104) "{\"a\":1}")
  (data (i32.const 128) "out")
  (data (i32.const 136) "nowhere")
  (data (i32.const 144) "hello")
  (data (i32.const 160) "seen")
  (data (i32.const 176) "too early")
  (data (i32.const 208) "no such thing")
  (data (i32.const 4096) "{\"name\":\"puppet\",\"version\":\"1.2.3\",\"inputs\":{\"in\":{}},\"outputs\":{\"out\":{}},\"lookups\":[\"revision\"]}")

  (func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
    (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (loop $grow
        (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
        (br $grow)))
    (local.get $at))

  (func $pair (param $at i32) (param $first i32) (param $second i32) (result i32)
    (i32.store (local.get $at) (local.get $first))
    (i32.store offset=4 (local.get $at) (local.get $second))
    (local.get $at))

  (func (export "millrace:plugin/processor@0.1.0#describe") (result i32)
    (call $pair (i32.const 1032) (i32.const 4096) (i32.const 98)))

  ;; Settings that begin with an `x` are refused, and with a `t` they trap.
  (func (export "millrace:plugin/processor@0.1.0#configure") (param $settings i32) (param $size i32) (result i32)
    (if (i32.eq (i32.load8_u (local.get $settings)) (i32.const 0x74)) (then (unreachable)))
    (i32.store8 (i32.const 1040) (i32.eq (i32.load8_u (local.get $settings)) (i32.const 0x78)))
    (drop (call $pair (i32.const 1044) (i32.const 208) (i32.const 13)))
    (i32.const 1040))

  ;; Of each ticket: the rest of its script (address, length), the last blob given.
  (func $entry (param $ticket i64) (result i32)
    (i32.add (i32.const 65536) (i32.shl (i32.and (i32.wrap_i64 (local.get $ticket)) (i32.const 1023)) (i32.const 4))))

  (func $next_output (result i32)
    (local $at i32)
    (local.set $at (i32.add (i32.const 16384) (i32.mul (global.get $outputs) (i32.const 56))))
    (global.set $outputs (i32.add (global.get $outputs) (i32.const 1)))
    (memory.fill (local.get $at) (i32.const 0) (i32.const 56))
    (local.get $at))

  (func $done (param $ticket i64) (param $case i32) (param $first i32) (param $second i32)
    (local $at i32)
    (local.set $at (call $next_output))
    (i64.store offset=8 (local.get $at) (local.get $ticket))
    (i32.store8 offset=16 (local.get $at) (local.get $case))
    (i32.store offset=20 (local.get $at) (local.get $first))
    (i32.store offset=24 (local.get $at) (local.get $second)))

  ;; An emission to the output at $output of a tombstone (2) or of a whole document (0) of one piece.
  (func $emit (param $ticket i64) (param $output i32) (param $output_size i32) (param $form i32)
    (param $piece_case i32) (param $piece i64)
    (local $emission i32) (local $at i32)
    (local.set $emission (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 40)))
    (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 16)))
    (memory.fill (local.get $emission) (i32.const 0) (i32.const 40))
    (drop (call $pair (local.get $emission) (local.get $output) (local.get $output_size)))
    (i32.store8 offset=20 (local.get $emission) (local.get $form))
    (drop (call $pair (i32.add (local.get $emission) (i32.const 24)) (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at) (local.get $piece_case))
    (i64.store offset=8 (local.get $at) (local.get $piece))
    (call $done (local.get $ticket) (i32.const 0) (local.get $emission) (i32.const 1)))

  (func $ask (param $ticket i64) (param $id i32) (param $kind i32) (param $params i32) (param $params_size i32)
    (local $at i32)
    (local.set $at (call $next_output))
    (i32.store8 (local.get $at) (i32.const 1))
    (i64.store offset=8 (local.get $at) (local.get $ticket))
    (i32.store offset=16 (local.get $at) (local.get $id))
    (drop (call $pair (i32.add (local.get $at) (i32.const 20)) (local.get $kind) (i32.const 8)))
    (drop (call $pair (i32.add (local.get $at) (i32.const 28)) (local.get $params) (local.get $params_size))))

  ;; Params that are one digit: the last of the clock.
  (func $clock_params (result i32)
    (local $at i32)
    (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)))
    (i32.store8 (local.get $at)
      (i32.add (i32.const 0x30) (i32.wrap_i64 (i64.rem_u (global.get $now) (i64.const 10)))))
    (local.get $at))

  ;; Takes the next letter of a script; 0 at its end.
  (func $letter (param $entry i32) (result i32)
    (local $script i32)
    (if (i32.eqz (i32.load offset=4 (local.get $entry))) (then (return (i32.const 0))))
    (local.set $script (i32.load (local.get $entry)))
    (i32.store (local.get $entry) (i32.add (local.get $script) (i32.const 1)))
    (i32.store offset=4 (local.get $entry) (i32.sub (i32.load offset=4 (local.get $entry)) (i32.const 1)))
    (i32.load8_u (local.get $script)))

  (func $digit (param $entry i32) (result i32)
    (i32.sub (call $letter (local.get $entry)) (i32.const 0x30)))

  (func $spin (loop $again (br $again)))

  (func $hoard
    (loop $again (br_if $again (i32.ne (memory.grow (i32.const 64)) (i32.const -1))))
    (unreachable))

  (func $is (param $letter i32) (param $wanted i32) (result i32) (i32.eq (local.get $letter) (local.get $wanted)))

  ;; Runs the script of a ticket until it waits or ends.
  (func $run (param $ticket i64)
    (local $entry i32) (local $c i32)
    (local.set $entry (call $entry (local.get $ticket)))
    (loop $next
      (local.set $c (call $letter (local.get $entry)))
      (if (i32.eqz (local.get $c)) (then (return)))
      (if (call $is (local.get $c) (i32.const 0x77)) (then (return)))                                             ;; w
      (if (call $is (local.get $c) (i32.const 0x7a)) (then (global.set $sleeper (local.get $ticket)) (return)))   ;; z
      (if (call $is (local.get $c) (i32.const 0x74)) (then (unreachable)))                                        ;; t
      (if (call $is (local.get $c) (i32.const 0x6c)) (then (call $spin)))                                         ;; l
      (if (call $is (local.get $c) (i32.const 0x6d)) (then (call $hoard)))                                        ;; m
      (if (call $is (local.get $c) (i32.const 0x4d)) (then                                                        ;; M
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))))
      (if (call $is (local.get $c) (i32.const 0x70)) (then                                                        ;; p
        (if (i32.gt_u (global.get $inputs) (i32.const 1)) (then (unreachable)))))
      (if (call $is (local.get $c) (i32.const 0x54)) (then                                                        ;; T
        (if (i32.and (i32.wrap_i64 (global.get $now)) (i32.const 1)) (then (unreachable)))))
      (if (call $is (local.get $c) (i32.const 0x73)) (then                                                        ;; s
        (call $done (local.get $ticket) (i32.const 1) (i32.const 64) (i32.const 6))))
      (if (call $is (local.get $c) (i32.const 0x65)) (then                                                        ;; e
        (call $done (local.get $ticket) (i32.const 0) (i32.const 64) (i32.const 0))))
      (if (call $is (local.get $c) (i32.const 0x75)) (then                                                        ;; u
        (call $done (i64.const 999999) (i32.const 1) (i32.const 64) (i32.const 6))))
      (if (call $is (local.get $c) (i32.const 0x52)) (then                                                        ;; R
        (call $done (local.get $ticket) (i32.const 2) (i32.const 0) (i32.const 0))))
      (if (call $is (local.get $c) (i32.const 0x46)) (then                                                        ;; F
        (call $done (local.get $ticket) (i32.const 3) (i32.const 64) (i32.const 6))))
      (if (call $is (local.get $c) (i32.const 0x68)) (then                                                        ;; h
        (call $done (local.get $ticket) (i32.const 1) (i32.const 0) (i32.const 3000000))))
      (if (call $is (local.get $c) (i32.const 0x45)) (then                                                        ;; E
        (call $emit (local.get $ticket) (i32.const 128) (i32.const 3) (i32.const 0) (i32.const 0)
          (i64.const 0x700000068))))
      (if (call $is (local.get $c) (i32.const 0x42)) (then                                                        ;; B
        (call $emit (local.get $ticket) (i32.const 128) (i32.const 3) (i32.const 0) (i32.const 2)
          (i64.load offset=8 (local.get $entry)))))
      (if (call $is (local.get $c) (i32.const 0x66)) (then                                                        ;; f
        (call $emit (local.get $ticket) (i32.const 128) (i32.const 3) (i32.const 0) (i32.const 1)
          (i64.extend_i32_u (call $digit (local.get $entry))))))
      (if (call $is (local.get $c) (i32.const 0x6f)) (then                                                        ;; o
        (call $emit (local.get $ticket) (i32.const 136) (i32.const 7) (i32.const 2) (i32.const 0) (i64.const 0))))
      (if (call $is (local.get $c) (i32.const 0x61)) (then                                                        ;; a
        (call $ask (local.get $ticket) (call $digit (local.get $entry)) (i32.const 80) (i32.const 96) (i32.const 2))))
      (if (call $is (local.get $c) (i32.const 0x6e)) (then                                                        ;; n
        (call $ask (local.get $ticket) (call $digit (local.get $entry)) (i32.const 80) (call $clock_params)
          (i32.const 1))))
      (if (call $is (local.get $c) (i32.const 0x69)) (then                                                        ;; i
        (call $ask (local.get $ticket) (call $digit (local.get $entry)) (i32.const 136) (i32.const 96) (i32.const 2))))
      (if (call $is (local.get $c) (i32.const 0x67)) (then                                                        ;; g
        (call $log (i32.const 1) (local.get $ticket) (i32.const 1) (i32.const 144) (i32.const 5))))
      (if (call $is (local.get $c) (i32.const 0x47)) (then                                                        ;; G
        (call $log (i32.const 0) (i64.const 0) (i32.const 1) (i32.const 144) (i32.const 5))))
      (if (call $is (local.get $c) (i32.const 0x63)) (then                                                        ;; c
        (call $count (i32.const 1) (local.get $ticket) (i32.const 160) (i32.const 4) (i32.const 0) (i32.const 0)
          (i64.const 1))))
      (if (call $is (local.get $c) (i32.const 0x71)) (then                                                        ;; q
        (call $state_get (local.get $ticket) (i32.const 144) (i32.const 5) (i32.const 144) (i32.const 5)
          (i32.const 1200))))
      (if (call $is (local.get $c) (i32.const 0x7c)) (then (return)))                                             ;; |
      (if (call $is (local.get $c) (i32.const 0x3f)) (then                                                        ;; ?
        (call $state_get (local.get $ticket) (i32.const 144) (i32.const 5) (i32.const 144) (i32.const 5)
          (i32.const 1200))
        (if (i32.load8_u (i32.const 1200)) (then
          (call $log (i32.const 1) (local.get $ticket) (i32.const 1) (i32.load (i32.const 1204))
            (i32.load (i32.const 1208)))))))
      (if (call $is (local.get $c) (i32.const 0x2b)) (then                                                        ;; +
        (i32.store8 (i32.const 1200) (call $letter (local.get $entry)))
        (call $state_put (local.get $ticket) (i32.const 144) (i32.const 5) (i32.const 144) (i32.const 5)
          (i32.const 1200) (i32.const 1))))
      (if (call $is (local.get $c) (i32.const 0x2d)) (then                                                        ;; -
        (call $state_delete (local.get $ticket) (i32.const 144) (i32.const 5) (i32.const 144) (i32.const 5))))
      (if (call $is (local.get $c) (i32.const 0x40)) (then                                                        ;; @
        (call $timer_set (local.get $ticket) (i32.const 144) (i32.const 5) (i32.const 1)
          (i64.extend_i32_u (call $digit (local.get $entry))))))
      (if (call $is (local.get $c) (i32.const 0x23)) (then                                                        ;; #
        (call $timer_clear (local.get $ticket) (i32.const 144) (i32.const 5) (i32.const 1))))
      (if (call $is (local.get $c) (i32.const 0x72)) (then                                                        ;; r
        (call $blob_read (i64.load offset=8 (local.get $entry)) (i64.const 0) (call $digit (local.get $entry))
          (i32.const 1200))
        (call $log (i32.const 1) (local.get $ticket) (i32.const 1) (i32.load (i32.const 1200))
          (i32.load (i32.const 1204)))))
      (if (call $is (local.get $c) (i32.const 0x78)) (then                                                        ;; x
        (call $blob_read (i64.extend_i32_u (call $digit (local.get $entry))) (i64.const 0) (i32.const 1)
          (i32.const 1200))))
      (br $next)))

  (func $event (param $at i32)
    (local $entry i32)
    (local.set $entry (call $entry (i64.load offset=8 (local.get $at))))
    (drop (call $pair (local.get $entry) (i32.load offset=60 (local.get $at)) (i32.load offset=64 (local.get $at))))
    (if (i32.load8_u offset=80 (local.get $at)) (then
      (i64.store offset=8 (local.get $entry) (i64.load offset=88 (local.get $at)))))
    (call $run (i64.load offset=8 (local.get $at))))

  ;; Its script is what stands behind the first `|` of its key.
  (func $timer (param $at i32)
    (local $entry i32) (local $c i32)
    (local.set $entry (call $entry (i64.load offset=8 (local.get $at))))
    (drop (call $pair (local.get $entry) (i32.load offset=16 (local.get $at)) (i32.load offset=20 (local.get $at))))
    (loop $next
      (local.set $c (call $letter (local.get $entry)))
      (br_if $next (i32.and (i32.ne (local.get $c) (i32.const 0)) (i32.ne (local.get $c) (i32.const 0x7c)))))
    (call $run (i64.load offset=8 (local.get $at))))

  (func $answer (param $at i32)
    (local $entry i32)
    (local.set $entry (call $entry (i64.load offset=8 (local.get $at))))
    ;; The first blob of a good answer.
    (if (i32.eqz (i32.load8_u offset=24 (local.get $at))) (then
      (if (i32.load offset=60 (local.get $at)) (then
        (i64.store offset=8 (local.get $entry) (i64.load (i32.load offset=56 (local.get $at))))))))
    (call $run (i64.load offset=8 (local.get $at))))

  (func (export "millrace:plugin/processor@0.1.0#turn") (param $now i64) (param $at i32) (param $count i32) (result i32)
    (local $ticket i64) (local $kind i32)
    (global.set $now (local.get $now))
    (global.set $inputs (local.get $count))
    (global.set $outputs (i32.const 0))
    (local.set $ticket (global.get $sleeper))
    (global.set $sleeper (i64.const 0))
    (if (i64.ne (local.get $ticket) (i64.const 0)) (then (call $run (local.get $ticket))))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $count)))
        (local.set $kind (i32.load8_u (local.get $at)))
        (if (i32.eqz (local.get $kind)) (then (call $event (local.get $at))))
        (if (i32.eq (local.get $kind) (i32.const 1)) (then (call $answer (local.get $at))))
        (if (i32.eq (local.get $kind) (i32.const 2)) (then (call $timer (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 120)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (call $pair (i32.const 1024) (i32.const 16384) (global.get $outputs))))
