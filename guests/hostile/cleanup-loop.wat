;; Answers well (no edits), then loops while the host cleans up. Hits: CPU.
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 1024) "\08\04\00\00\01\00\00\00\01")
  (func $handle (param i32 i32) (result i32) (i32.const 1024))
  (func $cleanup (param i32) (loop $again (br $again)))
  (export "cabi_post_edgeward:edge/viewer-request@0.1.0#handle" (func $cleanup))
  (export "cabi_post_edgeward:edge/origin-request@0.1.0#handle" (func $cleanup))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
