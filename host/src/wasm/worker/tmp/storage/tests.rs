//! Bytes come back as they were written, wherever they are.

use super::*;
use crate::limits::tmp::MEMORY_BLOCKS;
use crate::wasm::worker::tmp::tree::{FileOpening, ROOT};

const BLOCK: u64 = BLOCK_BYTES as u64;
const MIB: u64 = 1 << 20;

fn storage(folder: &tempfile::TempDir, kept: Option<Arc<KeptStorage>>) -> Storage {
    Storage::new(4 * MIB, folder.path().into(), kept)
}

fn open(storage: &mut Storage, path: &str) -> NodeId {
    let how = FileOpening { follow: true, create: true, write: true, ..FileOpening::default() };
    storage.tree.open(ROOT, path, how).unwrap()
}

fn contents(storage: &mut Storage, id: NodeId) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let read = storage.read(id, all.len() as u64, usize::MAX).unwrap();
        if read.is_empty() {
            return all;
        }
        all.extend(read);
    }
}

/// Numbers that look random, the same each time.
fn numbers() -> impl FnMut(u64) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[test]
fn files_are_what_vectors_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = storage(&folder, None);
    // So that some blocks are in memory and some are not.
    let filler = open(&mut storage, "filler");
    storage.resize(filler, MIB - 8 * BLOCK).unwrap();
    for block in 0..u64::from(MEMORY_BLOCKS) - 8 {
        storage.write(filler, block * BLOCK, b"x").unwrap();
    }
    let mut number = numbers();
    let mut files = ["a", "b"].map(|name| (open(&mut storage, name), Vec::<u8>::new()));
    for step in 0..600_u64 {
        let (id, model) = &mut files[usize::try_from(step % 2).unwrap()];
        let offset = number(12 * BLOCK);
        let at = usize::try_from(offset).unwrap();
        match number(4) {
            0 => {
                storage.resize(*id, offset).unwrap();
                model.resize(at, 0);
            }
            1 => {
                storage.append(*id, &step.to_le_bytes()).unwrap();
                model.extend(step.to_le_bytes());
            }
            _ => {
                let bytes: Vec<u8> = (0..=number(3 * BLOCK)).map(|n| (n + step) as u8).collect();
                storage.write(*id, offset, &bytes).unwrap();
                model.resize(model.len().max(at + bytes.len()), 0);
                model[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        storage.sweep();
        assert!(contents(&mut storage, *id) == *model, "after step {step}");
    }
    assert!(!storage.has_room_in_memory_for(1), "the test is about both kinds of blocks");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_does_not_fit_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = storage(&folder, None);
    let id = open(&mut storage, "f");
    storage.write(id, 4 * MIB - BLOCK, &[1; BLOCK_BYTES]).unwrap();
    assert_eq!(storage.append(id, b"x"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(storage.write(id, 1 << 62, b"x"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(storage.write(id, u64::MAX, b"x"), Err(ErrorCode::FileTooLarge));
    assert_eq!(storage.tree.file(id).unwrap().bytes, 4 * MIB);
    // A hole takes its space, and no memory.
    assert!(storage.has_room_in_memory_for(200 * BLOCK_BYTES));
    storage.resize(id, 0).unwrap();
    storage.append(id, b"x").unwrap();
}

#[test]
fn space_that_is_let_go_of_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = storage(&folder, None);
    for round in 0..20_u8 {
        let id = open(&mut storage, "f");
        for at in 0..3 * MIB / BLOCK {
            storage.write(id, at * BLOCK, &[round; 10]).unwrap();
        }
        assert_eq!(storage.read(id, 2 * MIB, 11).unwrap(), [[round; 10].as_slice(), &[0]].concat(), "nothing old shows");
        storage.tree.unlink(ROOT, "f").unwrap();
        storage.sweep();
    }
    storage.has_room_in_memory_for(0);
}

#[test]
fn what_init_has_left_is_shared_and_each_instance_changes_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = storage(&folder, None);
    let (small, large) = (open(&mut first, "small"), open(&mut first, "large"));
    first.write(small, 0, b"from init").unwrap();
    for at in 0..2 * MIB / BLOCK {
        first.write(large, at * BLOCK, &[7; BLOCK_BYTES]).unwrap();
    }
    let unnamed = open(&mut first, "unnamed");
    first.tree.retain(unnamed);
    first.write(unnamed, 0, b"open when init ended").unwrap();
    first.tree.unlink(ROOT, "unnamed").unwrap();
    let kept = Arc::new(first.keep().unwrap());
    assert!(kept.is_slow());

    let [mut one, mut two] = [(); 2].map(|()| storage(&folder, Some(kept.clone())));
    assert_eq!(one.tree.nodes(), 3);
    one.write(small, 5, b"ONE!").unwrap();
    one.write(large, MIB + 1, b"ONE").unwrap();
    one.resize(large, MIB + 100).unwrap();
    one.resize(large, MIB + BLOCK).unwrap();
    assert_eq!(contents(&mut one, small), b"from ONE!");
    assert_eq!(contents(&mut two, small), b"from init");
    let changed = one.read(large, MIB, BLOCK_BYTES).unwrap();
    assert_eq!((&changed[..5], &changed[100..102]), (&[7, b'O', b'N', b'E', 7][..], &[0, 0][..]));
    assert_eq!(two.read(large, MIB, BLOCK_BYTES).unwrap(), [7; BLOCK_BYTES]);
    // It takes the instance's space, until it is removed there.
    assert_eq!(two.append(large, &[0; 65_536]).and_then(|()| two.resize(small, 2 * MIB)), Err(ErrorCode::InsufficientSpace));
    two.tree.unlink(ROOT, "large").unwrap();
    two.resize(small, 2 * MIB).unwrap();
    assert_eq!(contents(&mut storage(&folder, Some(kept)), small), b"from init");
    assert!(storage(&folder, None).keep().is_none(), "an empty folder costs nothing");
}
