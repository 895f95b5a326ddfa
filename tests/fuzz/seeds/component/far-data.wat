(component
  (core module $m
    (memory (export "memory") 65536)
    (data (i32.const -16) "at the end")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func (export "handle") (param i32 i32) (result i32) (i32.const 512)))
  (core instance $i (instantiate $m))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
  (instance $e (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $e)))
