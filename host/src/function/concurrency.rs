//! Who may run now: a layer between a call and the instances that could run it.
//!
//! Lambda's words: an *account* bounds all functions together, a function may have a *reserved* part of it, and so many
//! instances of it may be *provisioned* before anybody calls.
//!
//! | scope       | today                                                                        |
//! |-------------|------------------------------------------------------------------------------|
//! | account     | the calls of functions of the API (`account`); and, of all, the instances    |
//! |             | that an engine has room for (`wasm::engine`)                                 |
//! | reserved    | a function's part of the account (`account`); `limits.instances` of a        |
//! |             | revision, as slots of its pool                                               |
//! | provisioned | `min_warm`, as what its pool keeps on its shelves                            |
//! | utilization | a function that keeps using up its CPU limit is refused for a while          |

pub mod account;
pub(super) mod slot;
pub mod throttle;
