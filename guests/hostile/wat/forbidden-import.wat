;; Imports a network, which no plugin gets.
(component
  (import "wasi:sockets/network@0.2.3" (instance (export "network" (type (sub resource)))))
)
