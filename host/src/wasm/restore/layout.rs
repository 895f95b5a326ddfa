//! The names and numbers that the rewritten modules of a component share.

/// What a component is rewritten for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Flavour {
    /// It is a function: its first image is that of its segments.
    Function,
    /// It runs the sources of functions: the first image of each is that of the segments, with an overlay.
    Runtime,
}

/// The export that puts an instance back: `func()`.
pub const RESTORE: &str = "edgeward-restore";
/// `func() -> u32`: the pages that the guest's memory has for the guest.
pub const PAGES: &str = "edgeward-pages";
/// Exports of a Runtime: `func() -> list<u8>`, what differs from the first image; `func(list<u8>)`, puts that into a new
/// instance.
pub const SAVE: &str = "edgeward-save";
pub const LOAD: &str = "edgeward-load";
/// Exports of its main module, for the canonical options of the two.
pub(super) const OVERLAY_MEMORY: &str = "edgeward-overlay";
pub(super) const OVERLAY_REALLOC: &str = "edgeward-overlay-realloc";
/// The instance argument, and the name of its export, that a guarded module takes in addition.
pub(super) const ARGUMENT: &str = "edgeward";
pub(super) const MARK: &str = "edgeward-mark";

pub(super) const PAGE: u64 = 65_536;
/// A mark stands for `1 << GRANULE_SHIFT` bytes of memory: small enough that little is copied for a
/// scattered write, large enough that the scan of all marks stays short.
pub(super) const GRANULE_SHIFT: u32 = 10;

/// Indices of memories in the rewritten main module: the guest's, that of the marks, and a Runtime's of the overlay.
pub(super) const MEMORY: u32 = 0;
pub(super) const MARKS: u32 = 1;
pub(super) const OVERLAY: u32 = 2;
