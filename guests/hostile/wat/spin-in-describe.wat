;; Spins when it is asked what it is.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "millrace:plugin/processor@0.1.0#describe") (result i32) (loop $again (br $again)) (unreachable))
  (func (export "millrace:plugin/processor@0.1.0#configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "millrace:plugin/processor@0.1.0#turn") (param i64 i32 i32) (result i32) (i32.const 512))
)
