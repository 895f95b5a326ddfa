;; Counts its calls wherever an instance can keep something, and answers 200 with `x-count: GMPTDE`, a digit for
;; each place (modulo 10):
;;   G a global            M a word of initial memory      P a word of a page that the first call grows
;;   T the size of a table D a data segment dropped (1: not yet)   E an element of a table replaced
;; A clean instance always says 111111; the n-th call of a reused one n, but D, which is 0 from then on.
(module
  (memory (export "memory") 2)
  (global $count (mut i32) (i32.const 0))
  (table $grown 0 funcref)
  (table $elements 2 2 funcref)
  (elem (table $elements) (i32.const 0) func $first $second)
  (type $digit (func (result i32)))
  (func $first (result i32) (i32.const 1))
  (func $second (result i32) (i32.const 2))
  (data $passive "\01")
  ;; version, op 6: 200, no reason; op 4: x-count and its value
  (data (i32.const 1024) "\00\08\00\00\20\00\00\00")
  (data (i32.const 2048) "\01\06\c8\00\00\00\00\00\04\07\00\00\00x-count\06\00\00\00......")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func $digit (param $place i32) (param $n i32)
    (i32.store8 (i32.add (i32.const 2072) (local.get $place))
      (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))
  (func $handle (param i32 i32) (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (call $digit (i32.const 0) (global.get $count))

    (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
    (call $digit (i32.const 1) (i32.load (i32.const 512)))

    ;; A refused page counts as a dirty one: the load traps.
    (if (i32.eq (memory.size) (i32.const 2)) (then (drop (memory.grow (i32.const 1)))))
    (i32.store (i32.const 131072) (i32.add (i32.load (i32.const 131072)) (i32.const 1)))
    (call $digit (i32.const 2) (i32.load (i32.const 131072)))

    (drop (table.grow $grown (ref.null func) (i32.const 1)))
    (call $digit (i32.const 3) (table.size $grown))

    ;; The segment is empty once it has been dropped, and `memory.init` of nothing is always allowed; its
    ;; length cannot be asked for, so a flag in a global says what the second call would run into.
    (call $digit (i32.const 4) (i32.eqz (global.get $dropped)))
    (if (i32.eqz (global.get $dropped))
      (then (memory.init $passive (i32.const 600) (i32.const 0) (i32.const 1))))
    (data.drop $passive)
    (global.set $dropped (i32.const 1))

    (call $digit (i32.const 5) (call_indirect $elements (type $digit) (i32.const 0)))
    (table.set $elements (i32.const 0) (table.get $elements (i32.const 1)))
    (i32.const 1024))
  (global $dropped (mut i32) (i32.const 0))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
