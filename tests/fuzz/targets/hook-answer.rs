#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("hook-answer"), |data: &[u8]| edgeward::fuzz::run("hook-answer", data));
