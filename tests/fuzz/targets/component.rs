#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("component"), |data: &[u8]| edgeward::fuzz::run("component", data));
