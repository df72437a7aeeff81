;; Counts its version up whenever it is asked what it is.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 1024) "{\"name\":\"fickle\",\"version\":\"0\",\"inputs\":{\"in\":{}},\"outputs\":{\"out\":{}}}")
  ;; Where the text is, and its length.
  (data (i32.const 16) "\00\04\00\00\47\00\00\00")
  (func (export "millrace:plugin/processor@0.1.0#describe") (result i32)
    ;; The digit of the version.
    (i32.store8 (i32.const 1052) (i32.add (i32.load8_u (i32.const 1052)) (i32.const 1)))
    (i32.const 16))
  (func (export "millrace:plugin/processor@0.1.0#configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "millrace:plugin/processor@0.1.0#turn") (param i64 i32 i32) (result i32) (i32.const 512))
)
