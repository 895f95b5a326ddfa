;; Counts its calls wherever an instance can keep something, and answers 200 with `x-count: GMP`, a digit for each
;; place (modulo 10): G a global, M a word of initial memory, P a word of a page that the first call grows.
;; A clean instance always says 111; the n-th call of a reused one says n three times.
(module
  (memory (export "memory") 2)
  (global $count (mut i32) (i32.const 0))
  ;; version; op 6: 200, no reason; op 4: x-count and its value
  (data (i32.const 1024) "\00\08\00\00\1b\00\00\00")
  (data (i32.const 2048) "\01\06\c8\00\00\00\00\00\04\07\00\00\00x-count\03\00\00\00...")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func $digit (param $place i32) (param $n i32)
    (i32.store8 (i32.add (i32.const 2072) (local.get $place))
      (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))
  (func $handle (param i32 i32) (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (call $digit (i32.const 0) (global.get $count))

    (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
    (call $digit (i32.const 1) (i32.load (i32.const 512)))

    (if (i32.eq (memory.size) (i32.const 2)) (then (drop (memory.grow (i32.const 1)))))
    (i32.store (i32.const 131072) (i32.add (i32.load (i32.const 131072)) (i32.const 1)))
    (call $digit (i32.const 2) (i32.load (i32.const 131072)))
    (i32.const 1024))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
