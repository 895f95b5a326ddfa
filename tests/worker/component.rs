//! Small components in WAT: an origin-request hook around a body, with what it imports.

/// A hook whose core function is `(func (param $event i32) (param $bytes i32) (result i32) BODY)`; the
/// result points at an answer's address and length. `$answer` makes one; `$calls` counts calls.
pub fn hook(body: &str) -> String {
    hook_with("", "", "", body)
}

/// `imports` and `lowered` are of the component; `core` are definitions of the core module, whose imports
/// come from an instance named `host`, made of the core exports in `lowered`.
pub fn hook_with(imports: &str, lowered: &str, core: &str, body: &str) -> String {
    format!(
        r#"(component
  {imports}
  (core module $libc
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free (i32.add (global.get $free) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
      (block (br_if 0 (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
        (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
        unreachable)
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  {lowered}
  (core module $main
    (import "libc" "memory" (memory 2))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    {core}
    (table $table 1 funcref)
    (global $calls (mut i32) (i32.const 0))
    (func $answer (param $at i32) (param $bytes i32) (result i32)
      (i32.store (i32.const 16) (local.get $at))
      (i32.store (i32.const 20) (local.get $bytes))
      (i32.const 16))
    (func $recurse (param i32) (result i32)
      (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func (export "handle") (param $event i32) (param $bytes i32) (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      {body}))
  (core instance $main (instantiate $main (with "libc" (instance $libc)) {with_host}))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $main "handle") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/origin-request@0.1.0" (instance $hook)))"#,
        with_host = if lowered.is_empty() { "" } else { r#"(with "host" (instance $host))"# },
    )
}

/// Answers with the event.
pub const ECHO: &str = "(call $answer (local.get $event) (local.get $bytes))";
/// Answers with the number of calls this instance has had, one byte.
pub const COUNT: &str = "(i32.store8 (i32.const 32) (global.get $calls)) (call $answer (i32.const 32) (i32.const 1))";
/// Answers with the event, or, if that is empty, as `COUNT` does.
pub const COUNT_OR_ECHO: &str = "(i32.store8 (i32.const 32) (global.get $calls)) (if (result i32) (local.get $bytes) (then (call $answer (local.get $event) (local.get $bytes))) (else (call $answer (i32.const 32) (i32.const 1))))";
pub const LOOP: &str = "(loop (br 0)) unreachable";

/// A hook that can wait: `$wait` takes nanoseconds.
pub fn waiting(body: &str) -> String {
    hook_with(
        r#"(import "wasi:io/poll@0.2.0" (instance $poll
             (export "pollable" (type $pollable (sub resource)))
             (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
           (alias export $poll "pollable" (type $pollable))
           (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
             (alias outer 1 $pollable (type $p))
             (export "pollable" (type $pollable (eq $p)))
             (export "now" (func (result u64)))
             (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))"#,
        r#"(core func $block (canon lower (func $poll "[method]pollable.block")))
           (core func $subscribe (canon lower (func $clock "subscribe-duration")))
           (core func $now (canon lower (func $clock "now")))
           (core func $drop (canon resource.drop $pollable))
           (core instance $host (export "block" (func $block)) (export "subscribe" (func $subscribe))
             (export "now" (func $now)) (export "drop" (func $drop)))"#,
        r#"(import "host" "block" (func $block (param i32)))
           (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
           (import "host" "now" (func $now (result i64)))
           (import "host" "drop" (func $drop (param i32)))
           (func $wait (param $ns i64) (local $pollable i32)
             (local.set $pollable (call $subscribe (local.get $ns)))
             (call $block (local.get $pollable))
             (call $drop (local.get $pollable)))"#,
        body,
    )
}

/// A hook that can log: `$log` takes an address and a length.
pub fn logging(body: &str) -> String {
    hook_with(
        r#"(import "edgeward:edge/log@0.1.0" (instance $log (export "line" (func (param "text" string)))))"#,
        r#"(core func $log (canon lower (func $log "line") (memory (core memory $libc "memory"))))
           (core instance $host (export "log" (func $log)))"#,
        r#"(import "host" "log" (func $log (param i32 i32)))"#,
        body,
    )
}
