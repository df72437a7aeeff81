;; Says what it is in words and not in JSON.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 1024) "I am a plugin.")
  ;; Where the text is, and its length.
  (data (i32.const 16) "\00\04\00\00\0e\00\00\00")
  (func (export "millrace:plugin/processor@0.1.0#describe") (result i32) (i32.const 16))
  (func (export "millrace:plugin/processor@0.1.0#configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "millrace:plugin/processor@0.1.0#turn") (param i64 i32 i32) (result i32) (i32.const 512))
)
