#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("policy"), |data: &[u8]| edgeward::fuzz::run("policy", data));
