//! Who may run now: a layer between a call and the instances that could run it.
//!
//! Lambda's words: an *account* bounds all functions together, a function may have a *reserved* part of it, and so many
//! instances of it may be *provisioned* before anybody calls.
//!
//! | scope       | today                                                                        |
//! |-------------|------------------------------------------------------------------------------|
//! | account     | the instances that an engine has room for (`wasm::engine`)                   |
//! | reserved    | `limits.instances` of a revision, as slots of its pool                       |
//! | provisioned | `min_warm`, as what its pool keeps on its shelves                            |
//! | utilization | a function that keeps using up its CPU limit is refused for a while          |

pub(super) mod slot;
pub mod throttle;
