;; Logs bytes that are no UTF-8, with every turn.
(module
  (import "millrace:plugin/log@0.1.0" "write" (func $log (param i32 i64 i32 i32 i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 8192))
  ;; What the host writes here is never looked at, so it is enough that there is room for it.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (block $fits
      (loop $grow
        (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.const 16)))
        (br $grow)))
    (local.get $at))
  (data (i32.const 1024) "{\"name\":\"garbled\",\"version\":\"1\",\"inputs\":{\"in\":{\"fields\":[]}},\"outputs\":{\"out\":{}}}")
  ;; Where the text is, and its length.
  (data (i32.const 16) "\00\04\00\00\53\00\00\00")
  (data (i32.const 2048) "na\efve")
  (func (export "millrace:plugin/processor@0.1.0#describe") (result i32) (i32.const 16))
  (func (export "millrace:plugin/processor@0.1.0#configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "millrace:plugin/processor@0.1.0#turn") (param i64 i32 i32) (result i32)
    (call $log (i32.const 0) (i64.const 0) (i32.const 1) (i32.const 2048) (i32.const 5))
    (i32.const 512))
)
