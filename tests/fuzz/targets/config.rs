#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("config"), |data: &[u8]| edgeward::fuzz::run("config", data));
