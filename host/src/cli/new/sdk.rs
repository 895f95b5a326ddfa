//! The Rust SDK, which this program carries: a project has the SDK of the edge that made it, without a registry.

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../../../guests/sdk/", $path)).as_slice())),*]
    };
}

const FILES: [(&str, &[u8]); 18] = files![
    "Cargo.toml",
    "src/abi.rs",
    "src/allocator.rs",
    "src/answer.rs",
    "src/event.rs",
    "src/kv.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/read.rs",
    "src/reply.rs",
    "src/request.rs",
    "src/response.rs",
    "src/testing.rs",
    "src/text.rs",
    "src/worlds/origin-request",
    "src/worlds/origin-response",
    "src/worlds/viewer-request",
    "src/worlds/viewer-response",
];

/// Its files, by their paths in its folder.
pub(super) fn files() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    FILES.iter().map(|(path, bytes)| (*path, bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_sdk_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/sdk");
        let mut there = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    there.insert(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        let carried: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, there);
    }
}
