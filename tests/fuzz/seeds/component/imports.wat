(component
  (import "edgeward:edge/log@0.1.0" (instance $log (export "line" (func (param "text" string)))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8)))
  (core instance $libc (instantiate $libc))
  (alias export $log "line" (func $line))
  (core func $line' (canon lower (func $line) (memory (core memory $libc "memory"))))
  (core module $m
    (import "log" "line" (func $line (param i32 i32)))
    (func (export "run") (call $line (i32.const 0) (i32.const 0))))
  (core instance $i (instantiate $m (with "log" (instance (export "line" (func $line')))))))
