;; Speaks a contract that this host does not serve.
(component
  (instance $processor)
  (export "millrace:plugin/processor@0.9.0" (instance $processor))
)
