#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("edge-reply"), |data: &[u8]| edgeward::fuzz::run("edge-reply", data));
