#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("module"), |data: &[u8]| edgeward::fuzz::run("module", data));
