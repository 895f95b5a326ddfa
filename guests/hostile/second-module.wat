;; Remembers, unless what the host writes is put back: x-count goes up by one with every request. Hits: restoring.
;; `handle` is lifted from $outer, which has no memory of its own. It calls a host function that was lowered with the memory
;; and the allocator of $main, with a result area of its choice in that memory. The host's write goes around the marks that
;; only $main's own code makes; and $main's allocator chooses what is written.
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $Main
    (memory (export "memory") 2)
    (data (i32.const 1024) "\00\08\00\00\1b\00\00\00")                                  ;; the answer: 27 bytes at 2048
    (data (i32.const 2048) "\01\06\c8\00\00\00\00\00\04\07\00\00\00x-count\03\00\00\00000") ;; 200, x-count: 000
    (func $digit (param $at i32) (param $n i32)
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))
    (func $show (param $n i32)
      (call $digit (i32.const 2072) (i32.div_u (local.get $n) (i32.const 100)))
      (call $digit (i32.const 2073) (i32.div_u (local.get $n) (i32.const 10)))
      (call $digit (i32.const 2074) (local.get $n)))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (result i32) (i32.eq (local.get 3) (i32.const 1))
        (then (i32.add (i32.load (i32.const 40000)) (i32.const 1)))   ;; for the random byte: the next count, as an address
        (else (i32.const 65536))))                                    ;; for the event
    (func (export "inner") (param i32 i32) (result i32)
      (call $show (i32.load (i32.const 40000)))
      (i32.const 1024)))
  (core instance $main (instantiate $Main))
  (core func $bytes (canon lower (func $random "get-random-bytes")
    (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (core module $Outer
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "main" "inner" (func $inner (param i32 i32) (result i32)))
    (func (export "handle") (param i32 i32) (result i32)
      (call $bytes (i64.const 1) (i32.const 40000))                   ;; pointer and length land at 40000, unmarked
      (call $inner (local.get 0) (local.get 1))))
  (core instance $outer (instantiate $Outer
    (with "host" (instance (export "bytes" (func $bytes)))) (with "main" (instance $main))))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $outer "handle") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))
