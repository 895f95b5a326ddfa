;; Traps when the host asks for memory for the event.
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (data (i32.const 1024) "\08\04\00\00\01\00\00\00\01")
  (func $handle (param i32 i32) (result i32) (i32.const 1024))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
