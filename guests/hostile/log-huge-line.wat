;; Writes one line of a quarter of a megabyte, then answers well. Hits: log bytes (dropped); the host must not copy it all.
(module
  (import "edgeward:edge/log@0.1.0" "line" (func $line (param i32 i32)))
  (memory (export "memory") 18)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 1024) "\08\04\00\00\01\00\00\00\01")
  (func $handle (param i32 i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 0x61) (i32.const 262144))
    (call $line (i32.const 65536) (i32.const 262144))
    (i32.const 1024))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
