;; Fills a megabyte again and again: bulk operations must cost what they take. Hits: CPU.
(module
  (memory (export "memory") 17)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (loop $again
      (memory.fill (i32.const 65536) (i32.const 170) (i32.const 1048576))
      (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
