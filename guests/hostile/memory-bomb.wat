;; Takes all memory it can get, page by page, then touches every page. Hits: memory (or CPU, if memory.grow
;; is refused and the loop goes on asking).
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (loop $again
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1))
        (then
          (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 1))))
      (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
