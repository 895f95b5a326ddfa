;; Adds 5,000 headers: small enough as bytes, too many. Hits: header count.
;; Each op is 11 bytes: code 4, name "a", value "b".
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 16) "\04\01\00\00\00a\01\00\00\00b")
  (func $handle (param i32 i32) (result i32)
    (local $at i32)
    (i32.store8 (i32.const 8192) (i32.const 1))
    (local.set $at (i32.const 8193))
    (loop $again
      (memory.copy (local.get $at) (i32.const 16) (i32.const 11))
      (local.set $at (i32.add (local.get $at) (i32.const 11)))
      (br_if $again (i32.lt_u (local.get $at) (i32.const 63193))))
    (i32.store (i32.const 0) (i32.const 8192))
    (i32.store (i32.const 4) (i32.sub (local.get $at) (i32.const 8192)))
    (i32.const 0))
  (export "edgeward:edge/viewer-request@0.1.0#handle" (func $handle))
  (export "edgeward:edge/origin-request@0.1.0#handle" (func $handle)))
