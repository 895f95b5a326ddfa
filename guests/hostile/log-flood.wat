;; Writes 1 KiB lines to the log for ever. Hits: log bytes (dropped), host calls, CPU.
(module
  (import "edgeward:edge/log@0.1.0" "line" (func $line (param i32 i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 0x61) (i32.const 1024))
    (loop $again
      (call $line (i32.const 65536) (i32.const 1024))
      (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
