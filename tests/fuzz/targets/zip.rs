#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("zip"), |data: &[u8]| edgeward::fuzz::run("zip", data));
