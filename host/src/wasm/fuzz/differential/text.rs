//! The text of a made-up component: a main module with the memory, perhaps wit-component's shim and fixup, perhaps a second
//! module with code of its own; functions of the host lowered, given to whom it may be, put in tables, exported again.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

/// Where the main module is called, and who may call the host.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
struct Shape {
    /// The main module's table is filled by the second module with functions of the host.
    fills_table: bool,
    /// `handle` is the second module's.
    outer_handle: bool,
    /// The main module calls the host through a shim.
    shim: bool,
    /// The second module exports what it imports, and a third one takes that.
    passes_on: bool,
    /// Segments and tables may be changed, which is not restorable.
    unprovable: bool,
}

/// A function of the host, as a core function that is lowered.
struct HostDefinition {
    name: &'static str,
    /// The component instance and its function.
    of: &'static str,
    memory: bool,
    params: &'static str,
    result: &'static str,
}

const HOST: [HostDefinition; 6] = [
    HostDefinition { name: "bytes", of: r#"$random "get-random-bytes""#, memory: true, params: "(param i64 i32)", result: "" },
    HostDefinition { name: "number", of: r#"$random "get-random-u64""#, memory: false, params: "", result: "(result i64)" },
    HostDefinition { name: "get", of: r#"$store "get""#, memory: true, params: "(param i32 i32 i32)", result: "" },
    HostDefinition { name: "count", of: r#"$store "count""#, memory: false, params: "", result: "(result i32)" },
    HostDefinition { name: "line", of: r#"$log "line""#, memory: true, params: "(param i32 i32)", result: "" },
    HostDefinition { name: "seed", of: r#"$seed "insecure-seed""#, memory: true, params: "(param i32)", result: "" },
];

const IMPORTS: &str = r#"(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:random/insecure-seed@0.2.0" (instance $seed (export "insecure-seed" (func (result (tuple u64 u64))))))
  (import "edgeward:edge/key-value-store@0.1.0" (instance $store
    (export "get" (func (param "key" string) (result (option (list u8)))))
    (export "count" (func (result u32)))))
  (import "edgeward:edge/log@0.1.0" (instance $log (export "line" (func (param "text" string)))))
"#;

pub(super) fn component(choices: &mut Unstructured<'_>) -> Result<String> {
    let shape = Shape {
        fills_table: choices.arbitrary()?,
        outer_handle: choices.arbitrary()?,
        shim: choices.arbitrary()?,
        passes_on: choices.arbitrary()?,
        unprovable: choices.ratio(1, 20)?,
    };
    let mut out = IMPORTS.to_owned();
    if shape.shim {
        shim_module(&mut out);
        out += "  (core instance $shim (instantiate $Shim))\n";
    }
    main_module(&mut out, &shape, choices)?;
    let arguments = if shape.shim { r#" (with "host" (instance $shim))"# } else { "" };
    let _ = writeln!(out, "  (core instance $main (instantiate $Main{arguments}))");
    for HostDefinition { name, of, memory, .. } in HOST {
        let memory = if memory { r#" (memory (core memory $main "memory")) (realloc (core func $main "realloc"))"# } else { "" };
        let _ = writeln!(out, "  (core func ${name} (canon lower (func {of}){memory}))");
    }
    let all: String = HOST.iter().map(|HostDefinition { name, .. }| format!(" (export \"{name}\" (func ${name}))")).collect();
    let _ = writeln!(out, "  (core instance $host{all})");
    if shape.shim {
        let _ = writeln!(out, "  (core instance $for-fixup (export \"table\" (table $shim \"table\")){all})");
        fixup_module(&mut out);
        out += "  (core instance (instantiate $Fixup (with \"\" (instance $for-fixup))))\n";
    }
    let mut host = "$host";
    if shape.passes_on {
        passing_module(&mut out);
        out += "  (core instance $passing (instantiate $Passing (with \"host\" (instance $host))))\n";
        host = "$passing";
    }
    if shape.fills_table || shape.outer_handle {
        outer_module(&mut out, &shape, choices)?;
        let arguments = format!("(with \"host\" (instance {host})) (with \"main\" (instance $main))");
        let _ = writeln!(out, "  (core instance $outer (instantiate $Outer {arguments}))");
    }
    let handle = if shape.outer_handle { "$outer" } else { "$main" };
    let _ = write!(
        out,
        r#"  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func {handle} "handle") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))
      (post-return (core func $main "after"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))
"#
    );
    Ok(out)
}

fn import_host(out: &mut String, from: &str) {
    for HostDefinition { name, params, result, .. } in HOST {
        let _ = writeln!(out, "    (import \"{from}\" \"{name}\" (func ${name} {params} {result}))");
    }
}

/// As wit-component makes it: functions that call what a table will hold.
fn shim_module(out: &mut String) {
    *out += "  (core module $Shim (table (export \"table\") 6 6 funcref)\n";
    for (index, HostDefinition { name, params, result, .. }) in HOST.iter().enumerate() {
        let count = params.matches("i32").count() + params.matches("i64").count();
        let arguments: String = (0..count).map(|i| format!("(local.get {i}) ")).collect();
        let call = format!("(call_indirect {params} {result} {arguments}(i32.const {index}))");
        let _ = writeln!(out, "    (func (export \"{name}\") {params} {result} {call})");
    }
    *out += "  )\n";
}

fn fixup_module(out: &mut String) {
    *out += "  (core module $Fixup (import \"\" \"table\" (table 6 6 funcref))\n";
    import_host(out, "");
    *out += "    (elem (i32.const 0) func $bytes $number $get $count $line $seed))\n";
}

fn passing_module(out: &mut String) {
    *out += "  (core module $Passing\n";
    import_host(out, "host");
    for HostDefinition { name, .. } in HOST {
        let _ = writeln!(out, "    (export \"{name}\" (func ${name}))");
    }
    *out += "  )\n";
}

/// All functions have the locals `$a`, `$b` and `$c`, and parameters that are i32.
const LOCALS: &str = "(local $a i32) (local $b i32) (local $c i32)";

fn main_module(out: &mut String, shape: &Shape, choices: &mut Unstructured<'_>) -> Result<()> {
    let (pages, image) = (choices.int_in_range(1..=3)?, choices.int_in_range(0..=65_000)?);
    let (more, next, wide) = (choices.int_in_range(0..=40)?, choices.int_in_range(0..=70_000)?, choices.arbitrary::<i64>()?);
    *out += "  (core module $Main\n";
    if shape.shim {
        import_host(out, "host");
    }
    let _ = writeln!(
        out,
        r#"    (memory (export "memory") {pages} {})
    (table $table (export "table") 8 8 funcref)
    (global $next (mut i32) (i32.const {next}))
    (global $wide (mut i64) (i64.const {wide}))
    (global $float (mut f64) (f64.const 1.5))
    (data (i32.const {image}) "the first image of this memory")
    (data $passive "a passive segment")
    (elem (i32.const 0) func $inner $leaf)
    (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32) {LOCALS}"#,
        pages + more,
    );
    // It may give out what it likes; ordinary code most of the time.
    if choices.ratio(1, 4)? {
        statements(out, choices, shape, 2)?;
    }
    let _ = writeln!(
        out,
        r#"      (local.set $a (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const 0x7fff8)))
      (global.set $next (i32.add (local.get $a) (local.get 3)))
      (local.get $a))
    (func $after (export "after") (param i32) {LOCALS}"#
    );
    if choices.ratio(1, 2)? {
        statements(out, choices, shape, 3)?;
    }
    let _ = writeln!(out, "    )\n    (func $leaf (export \"leaf\") (param i32 i32) (result i32) {LOCALS}");
    statements(out, choices, shape, 4)?;
    let _ = writeln!(out, "      (local.get $a))\n    (func $inner (export \"inner\") (param i32 i32) (result i32) {LOCALS}");
    statements(out, choices, shape, 12)?;
    // The answer is of what is left anywhere: an image's bytes, counters, the size, and what the code leads to.
    let _ = writeln!(
        out,
        r#"      (local.get $b))
    (func (export "handle") (param i32 i32) (result i32) (local $a i32)
      (local.set $a (call $inner (local.get 0) (local.get 1)))
      (i64.store (i32.const 40) (i64.load (i32.const {image})))
      (i32.store (i32.const 48) (global.get $next)) (i64.store (i32.const 52) (global.get $wide))
      (i32.store (i32.const 60) (memory.size)) (i32.store (i32.const 64) (local.get $a))
      (i64.store (i32.const 68) (i64.load (i32.and (local.get $a) (i32.const 0xfff8))))
      (i32.store (i32.const 32) (i32.const 40)) (i32.store (i32.const 36) (i32.const 36))
      (i32.const 32)))"#
    );
    Ok(())
}

fn outer_module(out: &mut String, shape: &Shape, choices: &mut Unstructured<'_>) -> Result<()> {
    *out += "  (core module $Outer\n";
    import_host(out, "host");
    *out += r#"    (import "main" "inner" (func $inner (param i32 i32) (result i32)))
    (import "main" "leaf" (func $leaf (param i32 i32) (result i32)))
    (import "main" "handle" (func $handle (param i32 i32) (result i32)))
    (import "main" "table" (table $table 8 8 funcref))
"#;
    if shape.fills_table {
        *out += "    (elem (i32.const 2) func $bytes $get $line $seed $leaf)\n";
    }
    let _ = writeln!(out, "    (func (export \"handle\") (param i32 i32) (result i32) {LOCALS}");
    for _ in 0..choices.int_in_range(0..=4)? {
        call_host(out, choices)?;
    }
    *out += "      (drop (call $inner (local.get 0) (local.get 1)))\n";
    for _ in 0..choices.int_in_range(0..=2)? {
        call_host(out, choices)?;
    }
    *out += "      (call $handle (local.get 0) (local.get 1))))\n";
    Ok(())
}

/// An expression for an i32.
fn value(choices: &mut Unstructured<'_>) -> Result<String> {
    Ok(match choices.int_in_range(0..=6)? {
        0 => format!("(i32.const {})", choices.int_in_range(0..=131_072)?),
        1 => format!("(i32.const {})", choices.int_in_range(0..=8)?),
        2 => "(local.get $a)".to_owned(),
        3 => "(local.get $b)".to_owned(),
        4 => "(local.get 1)".to_owned(),
        5 => "(local.get 0)".to_owned(),
        _ => format!("(i32.add (local.get $c) (i32.const {}))", choices.int_in_range(0..=70_000)?),
    })
}

fn length(choices: &mut Unstructured<'_>) -> Result<u32> {
    choices.int_in_range(0..=5_000)
}

fn call_host(out: &mut String, choices: &mut Unstructured<'_>) -> Result<()> {
    let call = match choices.int_in_range(0..=5)? {
        0 => format!("(call $bytes (i64.const {}) {})", length(choices)?, value(choices)?),
        1 => "(drop (call $number))".to_owned(),
        2 => format!("(call $get {} (i32.const {}) {})", value(choices)?, length(choices)?, value(choices)?),
        3 => "(local.set $a (call $count))".to_owned(),
        4 => format!("(call $line {} (i32.const {}))", value(choices)?, length(choices)?),
        _ => format!("(call $seed {})", value(choices)?),
    };
    let _ = writeln!(out, "      {call}");
    Ok(())
}

fn statements(out: &mut String, choices: &mut Unstructured<'_>, shape: &Shape, max: u32) -> Result<()> {
    for _ in 0..choices.int_in_range(0..=max)? {
        let (at, other) = (value(choices)?, value(choices)?);
        let offset = if choices.ratio(1, 8)? { choices.arbitrary::<u32>()? } else { choices.int_in_range(0..=2_000)? };
        let statement = match choices.int_in_range(0..=24)? {
            0 => format!("(i32.store offset={offset} align=1 {at} {other})"),
            1 => format!("(i64.store offset={offset} align=1 {at} (i64.extend_i32_u {other}))"),
            2 => format!("(i32.store8 offset={offset} {at} {other})"),
            3 => format!("(f64.store offset={offset} align=1 {at} (global.get $float))"),
            4 => format!("(v128.store offset={offset} align=1 {at} (i32x4.splat {other}))"),
            5 => format!("(v128.store64_lane offset={offset} align=1 1 {at} (i64x2.splat (global.get $wide)))"),
            6 => format!("(memory.fill {at} {other} (i32.const {}))", length(choices)?),
            7 => format!("(memory.copy {at} {other} (i32.const {}))", length(choices)?),
            8 => format!("(memory.init $passive {at} (i32.const 0) (i32.const 17))"),
            9 => format!("(local.set $a (memory.grow (i32.const {})))", choices.int_in_range(0..=40)?),
            10 => "(local.set $b (memory.size))".to_owned(),
            11 => format!("(global.set $wide (i64.load offset={offset} align=1 {at}))"),
            12 => format!("(global.set $next {other})"),
            13 => "(global.set $float (f64.add (global.get $float) (f64.const 1)))".to_owned(),
            14 => format!("(local.set $a (i32.load offset={offset} align=1 {at}))"),
            15 => format!("(local.set $b (i32.load8_u offset={offset} {at}))"),
            16 => format!("(local.set $c {other})"),
            17 => format!("(local.set $c (call_indirect (param i32 i32) (result i32) {at} {other} (i32.const 1)))"),
            // What the second module may have put there.
            18 => format!("(call_indirect (param i64 i32) (i64.const {}) {at} (i32.const 2))", length(choices)?),
            19 => format!("(call_indirect (param i32 i32 i32) {at} (i32.const {}) {other} (i32.const 3))", length(choices)?),
            20 => format!("(call_indirect (param i32) {at} (i32.const 5))"),
            21 if shape.shim => {
                call_host(out, choices)?;
                continue;
            }
            22 if shape.unprovable => "(data.drop $passive)".to_owned(),
            23 if shape.unprovable => "(table.set $table (i32.const 1) (ref.null func))".to_owned(),
            _ => {
                let store = format!("(i64.store32 offset={offset} align=1 {at} (global.get $wide))");
                format!("(if (i32.and {other} (i32.const 1)) (then {store}))")
            }
        };
        let _ = writeln!(out, "      {statement}");
    }
    Ok(())
}
