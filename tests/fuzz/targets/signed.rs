#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("signed"), |data: &[u8]| edgeward::fuzz::run("signed", data));
