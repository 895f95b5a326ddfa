#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("log-filter"), |data: &[u8]| edgeward::fuzz::run("log-filter", data));
