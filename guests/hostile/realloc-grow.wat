;; Grows by a megabyte whenever the host asks for memory: twice is one too many. Asks for a value of the store
;; for ever. Hits: memory, by a trap of its own.
(module
  (import "edgeward:edge/key-value-store@0.1.0" "get" (func $get (param i32 i32 i32)))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (i32.const 1048576))))
  (data (i32.const 16) "key")
  (func $handle (param i32 i32) (result i32)
    (loop $again
      (call $get (i32.const 16) (i32.const 3) (i32.const 32))
      (br $again))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
