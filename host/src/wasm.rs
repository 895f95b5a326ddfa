//! I turn untrusted bytes into an instance and run one call on it under its limits.
//!
//! I never name functions, sites or APIs; my callers are in `function`.

pub mod abi;
