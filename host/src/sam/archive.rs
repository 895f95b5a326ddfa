//! The code of functions and layers: a folder as a zip archive, which is the same bytes for the same files.
//!
//! Names are sorted, times are left out, and of permissions only whether a file is executable is kept. What is made by
//! running or keeping a project (`__pycache__`, `.git`, …) is left out.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::plan::CodeArchive;
use crate::limits::init::PACKAGE_BYTES;
use crate::limits::lambda::ZIP_BYTES;
use crate::limits::sam::FILES;

const LEFT_OUT: [&str; 6] = ["__pycache__", ".git", ".aws-sam", ".pytest_cache", ".mypy_cache", ".DS_Store"];

impl CodeArchive {
    /// A folder, a zip archive or a component. An error says what is wrong, without the path.
    pub(super) fn of(path: &Path) -> Result<CodeArchive, String> {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if metadata.is_dir() {
            return folder(path);
        }
        if metadata.len() > ZIP_BYTES as u64 {
            return Err(format!("it has {} bytes; at most {ZIP_BYTES} can be sent", metadata.len()));
        }
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        if !bytes.starts_with(b"PK") && !bytes.starts_with(b"\0asm") {
            return Err("it is neither a folder, a zip archive nor a component".to_owned());
        }
        Ok(CodeArchive { bytes: bytes.into(), files: 1 })
    }

    /// One file, of a source in the template.
    pub(super) fn source(name: &str, text: &str) -> Result<CodeArchive, String> {
        zipped(&[(name.to_owned(), false, text.as_bytes().to_vec())])
    }

    /// As `CodeSha256` tells it.
    pub fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }
}

fn folder(root: &Path) -> Result<CodeArchive, String> {
    let mut files = Vec::new();
    let mut left = PACKAGE_BYTES;
    collect(root, &mut files, &mut left)?;
    if files.is_empty() {
        return Err("the folder is empty".to_owned());
    }
    files.sort();
    let archive = zipped(&files)?;
    if archive.bytes.len() > ZIP_BYTES {
        return Err(format!("its archive has {} bytes; at most {ZIP_BYTES} can be sent", archive.bytes.len()));
    }
    Ok(archive)
}

/// Names with slashes, whether it is executable, and the bytes.
type PackedFiles = Vec<(String, bool, Vec<u8>)>;

/// Without recursion: a folder may be deep. Links to folders are refused, so that it ends.
fn collect(root: &Path, files: &mut PackedFiles, left: &mut u64) -> Result<(), String> {
    let mut folders: Vec<(PathBuf, String)> = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(format!("the name `{}` is not UTF-8", entry.file_name().display()));
            };
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            let (path, name) = (entry.path(), format!("{prefix}{name}"));
            let metadata = fs::metadata(&path).map_err(|error| format!("`{name}`: {error}"))?;
            if metadata.is_dir() {
                if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                    return Err(format!("`{name}` is a symbolic link to a folder"));
                }
                folders.push((path, name + "/"));
                continue;
            }
            if !metadata.is_file() {
                return Err(format!("`{name}` is no file"));
            }
            let mut bytes = Vec::new();
            // One more, so that it shows.
            let file = fs::File::open(&path).map_err(|error| format!("`{name}`: {error}"))?;
            file.take(*left + 1).read_to_end(&mut bytes).map_err(|error| format!("`{name}`: {error}"))?;
            let n_bytes = bytes.len() as u64;
            if n_bytes > *left {
                return Err(format!("it has more than {PACKAGE_BYTES} bytes"));
            }
            *left -= n_bytes;
            files.push((name, metadata.permissions().mode() & 0o111 != 0, bytes));
            if files.len() > FILES {
                return Err(format!("it has more than {FILES} files"));
            }
        }
    }
    Ok(())
}

fn zipped(files: &[(String, bool, Vec<u8>)]) -> Result<CodeArchive, String> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, executable, bytes) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(if *executable { 0o755 } else { 0o644 });
        writer.start_file(name.as_str(), options).map_err(|error| error.to_string())?;
        writer.write_all(bytes).map_err(|error| error.to_string())?;
    }
    let bytes = writer.finish().map_err(|error| error.to_string())?.into_inner();
    Ok(CodeArchive { bytes: bytes.into(), files: files.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_the_same_bytes_and_what_is_left_out_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("b/c.py", "x = 1\n");
        write("a.py", "import b.c\n");
        let first = CodeArchive::of(folder.path()).unwrap();
        write("__pycache__/a.pyc", "junk");
        write(".git/HEAD", "junk");
        write("a.py", "import b.c\n");
        let second = CodeArchive::of(folder.path()).unwrap();
        assert_eq!((&first.bytes, first.files), (&second.bytes, 2));
        write("a.py", "import b.d\n");
        assert_ne!(CodeArchive::of(folder.path()).unwrap().sha256(), first.sha256());
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let why = |path: &Path| CodeArchive::of(path).unwrap_err();
        assert_eq!(why(folder.path()), "the folder is empty");
        assert!(why(&folder.path().join("none")).contains("No such file"));
        let file = folder.path().join("f.txt");
        fs::write(&file, "text").unwrap();
        assert_eq!(why(&file), "it is neither a folder, a zip archive nor a component");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        assert_eq!(why(folder.path()), "`loop` is a symbolic link to a folder");
    }
}
