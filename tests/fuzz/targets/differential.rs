#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("differential"), |data: &[u8]| edgeward::fuzz::run("differential", data));
