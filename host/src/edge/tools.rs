//! Doors beside the network: a hook on a given event, a look into the cache, fuzz targets.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub(crate) mod inquiry;
pub(crate) mod trial;
