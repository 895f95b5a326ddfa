//! Returns the memory of ended connections to the system, even on an idle worker.
//!
//! mimalloc returns freed memory a second later, but checks the time only when it frees a page again, which an idle worker
//! does not do. So for some seconds after a connection has ended a block with a page of its own is allocated
//! and freed. The block is not touched: it costs no page, and a microsecond.

use crate::limits::request::{LEFTOVER_BLOCK_BYTES, LEFTOVER_S};
use crate::net::ticks::TICKS_A_SECOND;

/// Whether a block is due: once a second, after a connection has ended at `ended` (0: none has).
pub(super) fn is_due(now: u32, ended: u32) -> bool {
    ended != 0 && now.is_multiple_of(TICKS_A_SECOND) && now - ended <= LEFTOVER_S * TICKS_A_SECOND
}

pub(super) fn give_back() {
    // Keeps the compiler from removing the allocation.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LEFTOVER_BLOCK_BYTES)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_second_for_a_while_after_the_last_connection() {
        let due = |ended: u32| (1..100).filter(|now| *now >= ended && is_due(*now, ended)).count();
        assert_eq!(due(0), 0);
        assert_eq!(due(TICKS_A_SECOND), LEFTOVER_S as usize + 1);
        assert_eq!(due(TICKS_A_SECOND + 1), LEFTOVER_S as usize);
    }
}
