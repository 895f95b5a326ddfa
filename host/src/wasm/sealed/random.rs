//! `wasi:random`: random numbers of the call's own.
//!
//! SplitMix64 from the call's seed: good enough to seed hash maps, and to choose among servers, but not for secrets, as the
//! documentation says.

use wasmtime::component::LinkerInstance;
use wasmtime::{Error, Result};

use super::define::{SealedCaller, func, pay_bytes};
use crate::limits;
use crate::wasm::fuel::host_call;
use crate::wasm::state::ViewerState;

pub(super) fn random(random: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(random, "get-random-bytes", |store, (len,): (u64,)| Ok((bytes(store, len)?,)))?;
    func(random, "get-random-u64", |store, (): ()| Ok((next(&mut store.data_mut().random),)))
}

pub(super) fn insecure(random: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(random, "get-insecure-random-bytes", |store, (len,): (u64,)| Ok((bytes(store, len)?,)))?;
    func(random, "get-insecure-random-u64", |store, (): ()| Ok((next(&mut store.data_mut().random),)))
}

pub(super) fn insecure_seed(random: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(random, "insecure-seed", |store, (): ()| {
        let random = &mut store.data_mut().random;
        Ok(((next(random), next(random)),))
    })
}

fn bytes(store: &mut SealedCaller<'_>, len: u64) -> Result<Vec<u8>> {
    if len > limits::host::RANDOM_BYTES {
        return Err(Error::msg(format!(
            "{len} random bytes are asked for at once; at most {} may be",
            limits::host::RANDOM_BYTES
        )));
    }
    let len = usize::try_from(len)?;
    pay_bytes(store, len, host_call::GIVEN_BYTE_EIGHTHS)?;
    Ok(filled(&mut store.data_mut().random, len))
}

fn filled(random: &mut u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&next(random).to_le_bytes()[..chunk.len()]);
    }
    bytes
}

pub(super) fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *random;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_numbers_and_as_many_as_were_asked_for() {
        let (mut for_numbers, mut for_bytes) = (7, 7);
        let numbers: Vec<u8> = (0..4).flat_map(|_| next(&mut for_numbers).to_le_bytes()).collect();
        assert_eq!(filled(&mut for_bytes, 32), numbers);
        for len in [0, 1, 7, 8, 9, 31] {
            assert_eq!(filled(&mut 7, len), numbers[..len]);
        }
    }
}
