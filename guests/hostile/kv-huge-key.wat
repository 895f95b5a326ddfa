;; Asks the key-value store for a key of a megabyte, for ever. Hits: host calls, CPU.
(module
  (import "edgeward:edge/key-value-store@0.1.0" "get" (func $get (param i32 i32 i32)))
  (memory (export "memory") 18)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 0x61) (i32.const 1048576))
    (loop $again
      (call $get (i32.const 65536) (i32.const 1048576) (i32.const 32))
      (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
