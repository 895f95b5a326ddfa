#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("table-expression"), |data: &[u8]| edgeward::fuzz::run("table-expression", data));
