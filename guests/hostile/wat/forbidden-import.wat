;; Imports HTTP of its own, which no plugin gets.
(component
  (import "wasi:http/types@0.2.3" (instance (export "fields" (type (sub resource)))))
)
