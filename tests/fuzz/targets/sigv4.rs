#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("sigv4"), |data: &[u8]| edgeward::fuzz::run("sigv4", data));
