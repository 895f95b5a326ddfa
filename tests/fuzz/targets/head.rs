#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("head"), |data: &[u8]| edgeward::fuzz::run("head", data));
