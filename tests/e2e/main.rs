//! Edgeward from outside: the real program, real components, real origins, sockets between them.
//!
//! Each test starts its own edge on free ports and its own origins; nothing is shared but the components,
//! which are built once. A test waits for events (a logged line, an answer, an end of stream), never for time.

mod harness;

mod admin;
mod agreement;
mod api;
mod author;
mod blame;
mod cache;
mod cli;
mod commands;
mod compress;
mod connections;
mod deploy;
mod distribution;
mod doctor;
mod errors;
mod examples;
mod faults;
mod files;
mod folders;
mod foreign;
mod functions;
mod greedy;
mod handover;
mod hooks;
mod hostile;
mod idle;
mod isolation;
mod javascript;
mod keys;
mod kills;
mod lambda_edge;
mod languages;
mod layers;
mod lifecycle;
mod logs;
mod metrics;
mod nodejs;
mod origins;
mod package;
mod paths;
mod peers;
mod planes;
mod protocol;
mod reload;
mod response_headers;
mod sam;
mod sealed;
mod signed;
mod snapshots;
mod sources;
mod tmp;
mod tracing;
mod translate;
mod viewer;
mod websocket;
mod wishes;
