;; Answers with a list that is longer than its memory.
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 1024) "\00\00\00\00\ff\ff\ff\7f")
  (func $handle (param i32 i32) (result i32) (i32.const 1024))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
