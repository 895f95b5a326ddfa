#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("lambda"), |data: &[u8]| edgeward::fuzz::run("lambda", data));
