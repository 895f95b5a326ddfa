;; Uses a data and an element segment, then drops them: a second call into the same instance traps, a clean one
;; never does. Answers without edits.
(module
  (memory (export "memory") 2)
  (table $t 1 funcref)
  (data $bytes "clean")
  (elem $functions func $handle)
  (data (i32.const 1024) "\08\04\00\00\01\00\00\00\01")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (memory.init $bytes (i32.const 64) (i32.const 0) (i32.const 5))
    (table.init $t $functions (i32.const 0) (i32.const 0) (i32.const 1))
    (data.drop $bytes)
    (elem.drop $functions)
    (i32.const 1024))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
