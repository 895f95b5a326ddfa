#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("framing"), |data: &[u8]| edgeward::fuzz::run("framing", data));
