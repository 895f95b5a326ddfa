;; Never answers.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func $handle (param i32 i32) (result i32)
    (loop $again (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
