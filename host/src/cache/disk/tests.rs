//! Files that are whole, torn, cut, flipped or gone: right bytes or a miss.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tempfile::TempDir;

use super::file::read_head;
use super::format::FileHead;
use super::*;
use crate::cache::tests::{PATIENCE, duty, fill, fresh, hit, key, look, meta, metrics, nothing, open, settled, text, word};
use crate::cache::wait;
use crate::cache::{Cache, DiskOptions, Lookup, Options, Original, Purge};
use crate::telemetry::CacheTier;

fn body(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7) as u8 ^ seed ^ (at >> 13) as u8).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let groups = fs::read_dir(folder.join("objects")).unwrap();
    groups.flat_map(|group| fs::read_dir(group.unwrap().path()).unwrap()).map(|file| file.unwrap().path()).collect()
}

fn disk(folder: &Path) -> Arc<DiskTier> {
    DiskTier::open(folder, 64 << 20, 8 << 20, metrics()).unwrap().0
}

/// Without the cache's thread: all is done when this returns.
fn restarted(folder: &Path) -> Arc<DiskTier> {
    let disk = disk(folder);
    disk.scan(0, || true);
    disk
}

fn read(disk: &DiskTier, name: &str) -> Option<Bytes> {
    let place = disk.find(&key(name))?;
    let opened = disk.load(&key(name), &place)?;
    disk.read(&key(name), &place, &opened).ok()
}

fn store(disk: &DiskTier, name: &str, body: &[u8]) {
    disk.store(key(name), key(name), &meta(name, None), body, 0).unwrap();
}

/// Ends a cache and waits until its folder is free.
async fn close(cache: Arc<Cache>, folder: &TempDir) {
    drop(cache);
    while let Err(OpenError::InUse(_)) = DiskTier::open(folder.path(), 1 << 20, 1 << 10, metrics()) {
        tokio::task::yield_now().await;
    }
}

async fn scanned(cache: &Arc<Cache>) {
    while !cache.stats().disk_scanned {
        tokio::task::yield_now().await;
    }
}

async fn written(cache: &Arc<Cache>, objects: u64) {
    while cache.stats().disk_objects < objects {
        tokio::task::yield_now().await;
    }
}

#[test]
fn what_is_on_disk_survives_a_restart() {
    let folder = TempDir::new().unwrap();
    let sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000];
    {
        let disk = disk(folder.path());
        for size in sizes {
            store(&disk, &size.to_string(), &body(1, size));
        }
        store(&disk, "1", b"x");
    }
    let disk = restarted(folder.path());
    for size in sizes {
        let expected = if size == 1 { b"x".to_vec() } else { body(1, size) };
        assert_eq!(read(&disk, &size.to_string()).unwrap(), expected, "{size}");
    }
    assert_eq!(files(folder.path()).len(), sizes.len(), "what was replaced is gone");
    assert!(disk.find(&key("other")).is_none());
}

#[test]
fn one_process_at_a_time() {
    let folder = TempDir::new().unwrap();
    let _first = disk(folder.path());
    assert!(matches!(DiskTier::open(folder.path(), 1, 1, metrics()), Err(OpenError::InUse(_))));
}

/// A process that is being spawned has copies of all descriptors until it executes its program.
#[test]
fn a_folder_is_free_when_its_disk_ends_whoever_has_copies_of_descriptors() {
    let folder = TempDir::new().unwrap();
    for end in [drop::<Arc<DiskTier>>, |disk: Arc<DiskTier>| disk.release()] {
        let disk = disk(folder.path());
        let _copy = disk.lock.read().unwrap().as_ref().unwrap().0.try_clone().unwrap();
        end(disk);
        restarted(folder.path());
    }
}

#[tokio::test]
async fn a_small_object_comes_back_to_memory() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    fill(&cache, "a", &body(3, 100_000)).await;
    written(&cache, 1).await;
    close(cache, &folder).await;
    let cache = open(Some(&folder));
    scanned(&cache).await;
    assert_eq!(word(&look(&cache, "a")), "busy", "a lookup does not wait for the disk");
    let from_disk = hit(settled(&cache, "a").await);
    assert_eq!(text(&from_disk).await, body(3, 100_000));
    assert_eq!(hit(look(&cache, "a")).tier(), CacheTier::Memory);
}

#[tokio::test]
async fn many_clients_can_read_an_object_from_disk_at_once() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    fill(&cache, "a", &body(3, 100_000)).await;
    fill(&cache, "large", &body(4, 1_000_000)).await;
    written(&cache, 2).await;
    close(cache, &folder).await;
    let cache = open(Some(&folder));
    scanned(&cache).await;
    let tasks: Vec<_> = (0..500)
        .map(|at| {
            let cache = cache.clone();
            let (name, expected) = if at % 10 == 0 { ("large", body(4, 1_000_000)) } else { ("a", body(3, 100_000)) };
            tokio::spawn(async move { assert_eq!(text(&hit(settled(&cache, name).await)).await, expected) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(cache.stats().flights, 0);
}

#[tokio::test]
async fn an_object_larger_than_memory_takes_goes_to_disk_while_it_is_read() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    let expected = body(5, 7_000_000);
    let mut filler = duty(look(&cache, "a")).fill(meta("a", None), nothing());
    let quick = filler.take_hit().unwrap().body();
    let quick = tokio::spawn(async { quick.collect().await.unwrap().to_bytes() });
    let Lookup::Busy(wait) = look(&cache, "a") else { panic!() };
    let slow = hit(wait.join(nothing(), 0, fresh, PATIENCE).await);
    for piece in expected.chunks(50_000) {
        filler.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    // It asks late, when the beginning is in the file only.
    assert!(cache.stats().flight_bytes < 5 << 20);
    let late = hit(settled(&cache, "a").await);
    let part = late.part(1_000_000..1_100_000);
    assert!(filler.finish().await.unwrap());
    assert_eq!(quick.await.unwrap(), expected);
    assert_eq!(text(&slow).await, expected);
    assert_eq!(text(&late).await, expected);
    assert_eq!(part.collect().await.unwrap().to_bytes(), expected[1_000_000..1_100_000]);
    drop((slow, late));
    let stored = hit(settled(&cache, "a").await);
    assert_eq!(stored.tier(), CacheTier::Disk);
    assert_eq!(text(&stored).await, expected);
    assert_eq!(stored.part(65_530..131_080).collect().await.unwrap().to_bytes(), expected[65_530..131_080]);
    assert_eq!((cache.stats().flights, cache.stats().flight_bytes), (0, 0));
}

#[tokio::test]
async fn a_fill_that_is_dropped_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    let mut filler = duty(look(&cache, "a")).fill(meta("a", None), nothing());
    for piece in body(5, 2_000_000).chunks(50_000) {
        filler.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    drop(filler);
    assert!(files(folder.path()).is_empty());
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    assert_eq!(word(&look(&cache, "a")), "miss");
}

#[tokio::test]
async fn a_failing_disk_tier_breaks_no_response() {
    let folder = TempDir::new().unwrap();
    let disk = DiskOptions { folder: folder.path().into(), bytes: 8 << 20, object_bytes: 8 << 20 };
    let options = Options { memory_bytes: 8 << 20, memory_object_bytes: 256 << 10, disk: Some(disk) };
    let cache = Cache::open(&options, metrics()).unwrap();
    // More than an eighth of the disk, which was not known before: it is given up halfway.
    let expected = body(6, 9_000_000);
    let mut filler = duty(look(&cache, "a")).fill(meta("a", None), nothing());
    let own = filler.take_hit().unwrap().body();
    let own = tokio::spawn(async { own.collect().await.unwrap().to_bytes() });
    for piece in expected.chunks(50_000) {
        filler.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert!(!filler.finish().await.unwrap());
    assert_eq!(own.await.unwrap(), expected);
    assert!(files(folder.path()).is_empty());
    assert_eq!(word(&look(&cache, "a")), "miss");
}

#[test]
fn the_disk_tier_stays_within_its_size() {
    let folder = TempDir::new().unwrap();
    let disk = DiskTier::open(folder.path(), 2 << 20, 64 << 10, metrics()).unwrap().0;
    for at in 0..200 {
        store(&disk, &at.to_string(), &body(at, 30_000));
    }
    let held: u64 = files(folder.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(disk.bytes() <= 2 << 20 && held <= disk.bytes(), "{held} {}", disk.bytes());
    assert_eq!(disk.objects(), files(folder.path()).len() as u64);
    assert!(disk.objects() > 40);
    for at in 0..200 {
        assert!(read(&disk, &at.to_string()).is_none_or(|found| found == body(at, 30_000)));
    }
}

#[test]
fn no_name_is_used_again() {
    let folder = TempDir::new().unwrap();
    let mut last = 0;
    for name in ["a", "b", "c"] {
        store(&restarted(folder.path()), name, name.as_bytes());
        let names = files(folder.path()).into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        let newest = names.map(|name| u64::from_str_radix(&name, 16).unwrap()).max().unwrap();
        assert!(newest >= last + NAMES_OF_A_RUN, "{newest:x} {last:x}");
        last = newest;
    }
    let disk = restarted(folder.path());
    assert_eq!(["a", "b", "c"].map(|name| read(&disk, name).unwrap()), ["a", "b", "c"]);
}

#[test]
fn a_folder_of_an_earlier_version_is_read() {
    const IN_2023_US: u64 = 1_700_000_000_000_000;
    let folder = TempDir::new().unwrap();
    let names = folder.path().join("names");
    fs::write(&names, format!("{:016x}", IN_2023_US - NAMES_OF_A_RUN)).unwrap();
    store(&disk(folder.path()), "a", b"a");
    fs::remove_file(names).unwrap();
    assert_eq!(read(&restarted(folder.path()), "a").unwrap(), "a");
}

#[test]
fn objects_of_another_format_version_are_removed() {
    let folder = TempDir::new().unwrap();
    store(&disk(folder.path()), "a", b"a");
    let path = files(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] = b'2';
    fs::write(&path, bytes).unwrap();
    assert_eq!(read(&restarted(folder.path()), "a"), None);
    assert_eq!(files(folder.path()).len(), 0);
}

#[test]
fn the_disk_tier_is_emptied_once_when_its_names_or_purges_are_lost() {
    for (file, damage) in
        [("names", ""), ("names", "no number at all, and long"), ("names", "ffffffffffffffff"), ("purges", ""), ("purges", "{")]
    {
        let folder = TempDir::new().unwrap();
        store(&disk(folder.path()), "a", b"a");
        fs::write(folder.path().join(file), damage).unwrap();
        assert_eq!(read(&restarted(folder.path()), "a"), None);
        assert_eq!(files(folder.path()).len(), 0);
        store(&disk(folder.path()), "b", b"b");
        assert_eq!(read(&restarted(folder.path()), "b").unwrap(), "b");
    }
}

#[tokio::test]
async fn a_purge_outlives_a_restart() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    for (name, size) in [("a", 1_000), ("large", 1_000_000), ("b", 1_000)] {
        fill(&cache, name, &body(1, size)).await;
    }
    written(&cache, 3).await;
    // Holds the sweep up, so that the restart comes before it.
    let owed = duty(look(&cache, "c"));
    cache.purge(Purge::Path { site: "site".into(), pattern: "a".into() }).await.unwrap();
    let number = cache.purge(Purge::Path { site: "site".into(), pattern: "l*".into() }).await.unwrap();
    drop(duty(settled(&cache, "a").await));
    drop(duty(settled(&cache, "large").await));
    assert_eq!(cache.is_swept(number), Some(false));
    drop(owed);
    cache.purge_swept(number).await;
    assert_eq!(files(folder.path()).len(), 1);
    close(cache, &folder).await;

    // As if the sweep had not come: the files are back, the rules are in the journal.
    let direct = disk(folder.path());
    store(&direct, "a", b"purged");
    let purges = crate::cache::purge::Purges::new(Journal::default());
    purges.add(Purge::Path { site: "site".into(), pattern: "a".into() }).unwrap();
    direct.write_journal(|| purges.journal()).unwrap();
    drop(direct);
    let cache = open(Some(&folder));
    scanned(&cache).await;
    drop(duty(settled(&cache, "a").await));
    assert_eq!(text(&hit(settled(&cache, "b").await)).await, body(1, 1_000));
    cache.purge_swept(1).await;
    assert_eq!(files(folder.path()).len(), 1);
}

/// As if it had been opened just before: the sweep removes the file and its rule, and only then are the rules asked.
#[tokio::test]
async fn an_object_that_a_purge_sweeps_while_it_is_read_is_a_miss() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    fill(&cache, "a", &body(1, 1_000)).await;
    written(&cache, 1).await;
    close(cache, &folder).await;
    let cache = open(Some(&folder));
    scanned(&cache).await;
    let (slot, place) = (key("a"), cache.tiers.on_disk(&key("a")).unwrap());
    let (path, copy) = (files(folder.path()).remove(0), folder.path().join("copy"));
    fs::copy(&path, &copy).unwrap();
    let number = cache.purge(Purge::Path { site: "site".into(), pattern: "a".into() }).await.unwrap();
    cache.purge_swept(number).await;
    fs::rename(&copy, &path).unwrap();
    assert!(wait::opened(&cache.tiers, slot, place.clone()).await.is_none());
    assert!(wait::loaded(&cache.tiers, slot, place).await.is_none());
    drop(duty(settled(&cache, "a").await));
}

#[tokio::test]
async fn damage_at_the_beginning_is_a_miss() {
    for at in [0, 70_000, 250_000] {
        let folder = TempDir::new().unwrap();
        let cache = open(Some(&folder));
        fill(&cache, "a", &body(1, 2_000_000)).await;
        let path = files(folder.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let body_at = bytes.len() - 2_000_000 - 31 * 4;
        bytes[body_at + at] ^= 1;
        fs::write(&path, bytes).unwrap();
        drop(duty(settled(&cache, "a").await));
        assert!(!path.exists(), "{at}");
    }
}

#[tokio::test]
async fn what_was_read_to_see_that_it_is_right_is_given_out_once() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    let whole = body(1, 2_000_000);
    fill(&cache, "a", &whole).await;
    let stored = hit(settled(&cache, "a").await);
    assert_eq!((text(&stored).await, stored.tier()), (Bytes::from(whole.clone()), CacheTier::Disk));
    for range in [0..1, 10..300_000, 262_143..262_145, 262_144..400_000, 1_999_999..2_000_000] {
        let part = stored.part(range.start as u64..range.end as u64).collect().await.unwrap().to_bytes();
        assert_eq!(part, whole[range.clone()], "{range:?}");
    }
}

#[test]
fn files_of_the_disk_tier_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("cache");
    // What an earlier version has made is narrowed.
    fs::create_dir_all(folder.join("objects/00")).unwrap();
    fs::set_permissions(folder.join("objects"), fs::Permissions::from_mode(0o755)).unwrap();
    let disk = disk(&folder);
    store(&disk, "a", b"secret");
    disk.write_journal(Journal::default).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["objects", "objects/00", "objects/ff", "tmp"] {
        assert_eq!(mode(&folder.join(name)), 0o700, "{name}");
    }
    let kept = ["lock", "names", "purges"].map(|name| folder.join(name));
    for path in files(&folder).iter().chain(&kept) {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    drop(disk);
    let folder = parent.path().join("new");
    drop(self::disk(&folder));
    assert_eq!(mode(&folder), 0o700);
}

#[tokio::test]
async fn what_stands_in_the_place_of_a_file_is_missed_and_not_waited_for() {
    for what in ["pipe", "folder", "link"] {
        let folder = TempDir::new().unwrap();
        let put = |path: &Path| {
            // What a link leads to is right by itself.
            let elsewhere = folder.path().join(path.file_name().unwrap());
            fs::rename(path, &elsewhere).unwrap();
            match what {
                "pipe" => assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
                "folder" => fs::create_dir(path).unwrap(),
                _ => std::os::unix::fs::symlink(&elsewhere, path).unwrap(),
            }
            elsewhere
        };
        let cache = open(Some(&folder));
        // Read whole into memory, and read as it goes.
        for (name, size) in [("small", 10), ("large", 1_000_000)] {
            fill(&cache, name, &body(1, size)).await;
        }
        written(&cache, 2).await;
        close(cache, &folder).await;
        // Since it was found at the start.
        let cache = open(Some(&folder));
        scanned(&cache).await;
        let elsewhere: Vec<_> = files(folder.path()).iter().map(|path| put(path)).collect();
        for name in ["small", "large"] {
            drop(duty(settled(&cache, name).await));
        }
        close(cache, &folder).await;
        assert!(elsewhere.iter().all(|path| path.exists()), "what a link leads to stays");
        // And before.
        for path in elsewhere {
            let id = u64::from_str_radix(path.file_name().unwrap().to_str().unwrap(), 16).unwrap();
            let place = folder.path().join(format!("objects/{:02x}/{id:016x}", id & 0xff));
            if place.is_dir() {
                fs::remove_dir(&place).unwrap();
            }
            fs::rename(path, &place).unwrap();
            put(&place);
        }
        let cache = open(Some(&folder));
        scanned(&cache).await;
        assert_eq!(cache.stats().disk_objects, 0, "{what}");
    }
}

#[test]
fn a_pipe_in_the_disk_tiers_folder_does_not_block_the_start() {
    for name in ["purges", "names", "lock"] {
        let folder = TempDir::new().unwrap();
        drop(disk(folder.path()));
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Whether it starts or says why not: it does not wait.
        let _ = DiskTier::open(folder.path(), 64 << 20, 8 << 20, metrics());
    }
}

#[tokio::test]
async fn damage_ends_the_reader_and_removes_the_object() {
    let folder = TempDir::new().unwrap();
    let cache = open(Some(&folder));
    fill(&cache, "a", &body(1, 2_000_000)).await;
    let path = files(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = hit(settled(&cache, "a").await);
    let mut reader = damaged.body();
    let mut came = Vec::new();
    let error = loop {
        match reader.frame().await.unwrap() {
            Ok(frame) => came.extend_from_slice(frame.data_ref().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(error, BodyError::Damaged);
    assert_eq!(came, body(1, 2_000_000)[..came.len()]);
    while cache.stats().disk_objects > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(word(&look(&cache, "a")), "miss");
}

/// What a kill leaves: the states of the file after each byte of each step of the writer.
#[test]
fn a_kill_at_any_byte_leaves_the_object_whole_or_missing() {
    let folder = TempDir::new().unwrap();
    let expected = body(9, 70_000);
    {
        store(&disk(folder.path()), "a", &expected);
    }
    let path = files(folder.path()).remove(0);
    let name = path.file_name().unwrap().to_owned();
    let whole = fs::read(&path).unwrap();
    let head = whole.len() - 70_000;
    // Each byte of the head, then some of the body: a read of 70,000 files adds nothing.
    let cuts: Vec<usize> = (0..head).chain((head..whole.len()).step_by(997)).chain([whole.len() - 1]).collect();
    let mut empty_prelude = whole.clone();
    empty_prelude[..64].fill(0);
    let check = |state: &[u8], finished: bool| {
        fs::remove_file(&path).ok();
        fs::create_dir_all(folder.path().join("tmp")).unwrap();
        let at = if finished { path.clone() } else { folder.path().join("tmp").join(&name) };
        fs::write(at, state).unwrap();
        let found = restarted(folder.path());
        match read(&found, "a") {
            None => {}
            Some(bytes) => assert_eq!(bytes, expected),
        }
        let found = found.objects();
        assert_eq!(found as usize, files(folder.path()).len(), "what is of no use is removed");
        found
    };
    for cut in cuts {
        assert_eq!(check(&empty_prelude[..cut], false), 0);
        // A file system may have made the name durable before the bytes.
        assert_eq!(check(&whole[..cut], true), 0);
        assert_eq!(check(&empty_prelude[..cut], true), 0);
    }
    for cut in 0..=64 {
        let state = [&whole[..cut], &empty_prelude[cut..]].concat();
        check(&state, true);
        check(&state, false);
    }
    assert_eq!(check(&whole, true), 1);
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Grow(Vec<u8>),
    Zero(prop::sample::Index, u16),
    Swap(prop::sample::Index, prop::sample::Index, u16),
    /// The other object's bytes from here on.
    Graft(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        at().prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..100).prop_map(Damage::Grow),
        (at(), any::<u16>()).prop_map(|(at, size)| Damage::Zero(at, size)),
        (at(), at(), any::<u16>()).prop_map(|(one, other, size)| Damage::Swap(one, other, size)),
        at().prop_map(Damage::Graft),
    ]
}

fn apply(bytes: &mut Vec<u8>, other: &[u8], damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let within = |bytes: &[u8], at: usize, size: u16| at..(at + usize::from(size)).min(bytes.len());
    match damage {
        Damage::Flip(at, bits) => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Grow(more) => bytes.extend_from_slice(more),
        Damage::Zero(at, size) => {
            let range = within(bytes, at.index(bytes.len()), *size);
            bytes[range].fill(0);
        }
        Damage::Swap(one, two, size) => {
            let (one, two) = (one.index(bytes.len()), two.index(bytes.len()));
            let copied = bytes[within(bytes, one, *size)].to_vec();
            let range = within(bytes, two, *size);
            let size = range.len().min(copied.len());
            bytes[two..two + size].copy_from_slice(&copied[..size]);
        }
        Damage::Graft(at) => {
            let at = at.index(bytes.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[at.min(other.len())..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens to the files, each name gives its own right bytes or nothing.
    #[test]
    fn damaged_files_never_produce_wrong_bytes(
        damages in prop::collection::vec(damage(), 1..4),
        size in prop_oneof![0..2_000usize, 60_000..140_000usize],
    ) {
        let folder = TempDir::new().unwrap();
        let bodies: BTreeMap<&str, Vec<u8>> = [("a", body(1, size)), ("b", body(2, size))].into();
        {
            let disk = disk(folder.path());
            bodies.iter().for_each(|(name, body)| store(&disk, name, body));
        }
        let mut paths = files(folder.path());
        // The older id is `a`.
        paths.sort_by_key(|path| path.file_name().unwrap().to_owned());
        let other = fs::read(&paths[1]).unwrap();
        let mut bytes = fs::read(&paths[0]).unwrap();
        damages.iter().for_each(|damage| apply(&mut bytes, &other, damage));
        fs::write(&paths[0], &bytes).unwrap();
        let disk = restarted(folder.path());
        for (name, body) in &bodies {
            if let Some(found) = read(&disk, name) {
                prop_assert_eq!(&found, body);
            }
        }
        prop_assert_eq!(read(&disk, "b").map(|found| found.len()), Some(size), "the other one is not harmed");
    }

    #[test]
    fn a_head_reads_as_it_was_written(
        path in "/[a-z]{0,40}",
        tags in prop::collection::vec("[a-z]{0,9}", 0..5),
        headers in prop::collection::vec(("[a-z]{1,20}", "[ -~]{0,40}"), 0..20),
        length in prop::option::of(0..u64::MAX / 2),
        numbers in any::<[u64; 5]>(),
        must_revalidate in any::<bool>(),
        original in prop::option::of(prop::option::of("\"[a-z]{0,9}\"")),
    ) {
        let mut meta = meta(&path, length);
        let tag = |etag: String| http::HeaderValue::from_str(&etag).unwrap();
        meta.original = original.map(|etag| Original { etag: etag.map(tag) });
        meta.tags = tags.into_iter().map(Box::from).collect();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            meta.headers.append(name, http::HeaderValue::from_str(&value).unwrap());
        }
        meta.times.received_ms = numbers[0];
        meta.times.lifetime_ms = numbers[1];
        meta.times.must_revalidate = must_revalidate;
        meta.vary = [http::header::ACCEPT].into();
        let head = FileHead { key: key("a"), primary: key("b"), fill_epoch: numbers[2], meta };
        let encoded = head.encode().unwrap();
        let prelude = format::Prelude::new(numbers[3], &encoded, length.unwrap_or(7));
        let prelude = format::Prelude::decode(&prelude.encode()).unwrap();
        let mut expected = head;
        expected.meta.length = Some(length.unwrap_or(7));
        prop_assert_eq!(prelude.decode_head(&encoded), Some(expected));
    }
}

#[test]
fn a_head_with_the_id_of_another_file_is_refused() {
    let folder = TempDir::new().unwrap();
    {
        store(&disk(folder.path()), "a", b"body");
    }
    let path = files(folder.path()).remove(0);
    assert!(read_head(&path).is_ok());
    fs::rename(&path, path.with_file_name("00000000000000ff")).unwrap();
    let disk = restarted(folder.path());
    assert!(read(&disk, "a").is_none());
    assert!(files(folder.path()).is_empty());
}
