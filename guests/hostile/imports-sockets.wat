;; Imports the network, which a hook may not have: refused by name when it is deployed.
(component
  (import "wasi:sockets/instance-network@0.2.6" (instance
    (export "network" (type $network (sub resource)))
    (export "instance-network" (func (result (own $network))))))
  (core module $module
    (memory (export "memory") 2)
    (data (i32.const 1024) "\08\04\00\00\01\00\00\00\01")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "handle") (param i32 i32) (result i32) (i32.const 1024)))
  (core instance $core (instantiate $module))
  (type $handle (func (param "event" (list u8)) (result (list u8))))
  (func $handle (type $handle)
    (canon lift (core func $core "handle") (memory (core memory $core "memory")) (realloc (core func $core "cabi_realloc"))))
  (component $shim
    (type $handle (func (param "event" (list u8)) (result (list u8))))
    (import "handle" (func $f (type $handle)))
    (export "handle" (func $f)))
  (instance $hook (instantiate $shim (with "handle" (func $handle))))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))
