;; Two memories, each small enough on its own: the limit is on their sum.
(module
  (memory (export "memory") 2)
  (memory $b 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (drop (memory.grow $b (i32.const 1)))
      (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
