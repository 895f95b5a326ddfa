#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("path"), |data: &[u8]| edgeward::fuzz::run("path", data));
