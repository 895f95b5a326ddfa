;; Spends its fuel on the dearest ordinary instructions. Hits: CPU, and must not take far longer than others.
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $handle (param i32 i32) (result i32)
    (local $x f64)
    (local.set $x (f64.const 1.5))
    (loop $again
      (local.set $x (f64.sqrt (f64.div (f64.const 3.7) (f64.add (local.get $x) (f64.const 1.0)))))
      (br_if $again (f64.ne (local.get $x) (f64.const 0))))
    unreachable)
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
