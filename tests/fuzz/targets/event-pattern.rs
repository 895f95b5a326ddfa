#![no_main]

libfuzzer_sys::fuzz_target!(init: edgeward::fuzz::start("event-pattern"), |data: &[u8]| edgeward::fuzz::run("event-pattern", data));
