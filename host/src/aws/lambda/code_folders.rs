//! Folders of this machine that hold code: in the place of S3, and for code that is reloaded when it changes.
//!
//! A bucket is a folder: `DIR/BUCKET/KEY`. Neither a key nor a link leads out of it. Code that is reloaded lies below folders that
//! the configuration names for it: whoever may call the API does not choose what of this machine it reads.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::aws::error::ApiError;
use crate::beneath::{self, FolderEntry};
use crate::config::FileStamp;
use crate::language::NOT_IN_PACKAGES;
use crate::limits::init::{PACKAGE_BYTES, PACKAGE_FILES};

/// The bucket whose keys are folders to reload.
pub const HOT_RELOAD: &str = "hot-reload";

/// See the module.
#[derive(Debug, Default)]
pub struct CodeFolders {
    buckets: Option<PathBuf>,
    hot_reload: Vec<PathBuf>,
}

/// The files of code that is reloaded, as they look.
pub type HotFiles = BTreeMap<PathBuf, Option<FileStamp>>;

impl CodeFolders {
    /// # Errors
    /// One of them is not there.
    pub fn open(buckets: Option<&Path>, hot_reload: &[PathBuf]) -> io::Result<CodeFolders> {
        let named = |path: &Path| {
            let real = path
                .canonicalize()
                .and_then(|real| if real.is_dir() { Ok(real) } else { Err(io::ErrorKind::NotADirectory.into()) });
            real.map_err(|error: io::Error| io::Error::new(error.kind(), format!("folder {}: {error}", path.display())))
        };
        let hot_reload = hot_reload.iter().map(|path| named(path)).collect::<io::Result<_>>()?;
        Ok(CodeFolders { buckets: buckets.map(named).transpose()?, hot_reload })
    }

    /// The object of a bucket. Blocks for the disk.
    ///
    /// # Errors
    /// In Lambda's words: there is no such bucket or key, or it is too large.
    pub fn object(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ApiError> {
        let no_bucket = || not_got("NoSuchBucket", "The specified bucket does not exist");
        let Some(root) = &self.buckets else {
            let why = "The specified bucket does not exist (`api_buckets` in [server], or `serve --api-buckets`, names the folder of buckets)";
            return Err(not_got("NoSuchBucket", why));
        };
        if !is_plain(bucket) || bucket.contains('/') || !matches!(beneath::open(root, Path::new(bucket)), Ok(FolderEntry::Folder))
        {
            return Err(no_bucket());
        }
        let opened =
            if is_plain(key) { beneath::open(root, &Path::new(bucket).join(key)) } else { Err(io::ErrorKind::NotFound.into()) };
        let (file, metadata) = match opened {
            Ok(FolderEntry::File(file, metadata)) => (file, metadata),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(denied(bucket, key)),
            _ => return Err(not_got("NoSuchKey", "The specified key does not exist.")),
        };
        let too_large = || ApiError::invalid_parameter(format!("Unzipped size must be smaller than {PACKAGE_BYTES} bytes"));
        if metadata.len() > PACKAGE_BYTES {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        // It may grow while it is read.
        file.take(PACKAGE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| ApiError::internal(&error))?;
        if bytes.len() as u64 > PACKAGE_BYTES { Err(too_large()) } else { Ok(bytes) }
    }

    /// Makes an object of a bucket that is there. Blocks for the disk.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> io::Result<()> {
        let no_bucket = || io::Error::new(io::ErrorKind::NotFound, format!("there is no bucket `{bucket}`"));
        let root = self.buckets.as_ref().ok_or_else(no_bucket)?;
        let is_bucket = is_plain(bucket) && !bucket.contains('/');
        if !is_bucket || !matches!(beneath::open(root, Path::new(bucket)), Ok(FolderEntry::Folder)) {
            return Err(no_bucket());
        }
        if !is_plain(key) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{key}` is no path of a file")));
        }
        beneath::create(root, &Path::new(bucket).join(key), bytes)
    }

    /// What a key of the bucket `hot-reload` names, if it is below a folder for it.
    pub fn hot(&self, key: &Path) -> Result<PathBuf, ApiError> {
        // Whether a path elsewhere is there is not told.
        let real = key.canonicalize().ok().filter(|_| key.is_absolute());
        let found = real.filter(|real| self.hot_reload.iter().any(|root| real.starts_with(root)));
        found.ok_or_else(|| {
            ApiError::invalid_parameter(format!(
                "The key of the bucket {HOT_RELOAD} is an absolute path in a folder that `api_hot_reload` in [server], or `serve --api-hot-reload`, names; `{}` is in none.",
                key.display()
            ))
        })
    }
}

/// A caller who may not read an object.
pub fn denied(bucket: &str, key: &str) -> ApiError {
    ApiError::forbidden(
        "AccessDeniedException",
        format!(
            "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
        ),
    )
}

fn not_got(code: &str, why: &str) -> ApiError {
    ApiError::invalid_parameter(format!("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {why}"))
}

/// Whether each part is a name: what else a key may be in S3 is no path of a file.
fn is_plain(key: &str) -> bool {
    !key.contains('\0') && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// How the files of a folder, or a file, look now. What functions are not given does not count.
pub fn look(root: &Path) -> HotFiles {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        if found.len() >= PACKAGE_FILES {
            break;
        }
        match std::fs::read_dir(&path) {
            Ok(entries) => {
                let belongs = |entry: &std::fs::DirEntry| NOT_IN_PACKAGES.iter().all(|name| entry.file_name() != *name);
                left.extend(entries.flatten().filter(belongs).map(|entry| entry.path()));
            }
            Err(_) => drop(found.insert(path.clone(), FileStamp::at(&path))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_a_file_of_its_bucket_and_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("buckets");
        std::fs::create_dir_all(root.join("apples/red")).unwrap();
        std::fs::create_dir_all(root.join("pears")).unwrap();
        std::fs::write(root.join("apples/red/one.zip"), "one").unwrap();
        std::fs::write(root.join("pears/two.zip"), "two").unwrap();
        std::fs::write(place.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(place.path().join("secret"), root.join("apples/link")).unwrap();
        std::os::unix::fs::symlink(place.path(), root.join("out")).unwrap();
        let folders = CodeFolders::open(Some(&root), &[]).unwrap();
        assert_eq!(folders.object("apples", "red/one.zip").unwrap(), b"one");
        for (bucket, key, code) in [
            ("apples", "red/two.zip", "NoSuchKey"),
            ("apples", "red", "NoSuchKey"),
            ("apples", "../pears/two.zip", "NoSuchKey"),
            ("apples", "../../secret", "NoSuchKey"),
            ("apples", "link", "NoSuchKey"),
            ("apples", "/etc/passwd", "NoSuchKey"),
            ("apples", "", "NoSuchKey"),
            ("plums", "one.zip", "NoSuchBucket"),
            ("out", "secret", "NoSuchBucket"),
            ("..", "secret", "NoSuchBucket"),
            ("apples/red", "one.zip", "NoSuchBucket"),
        ] {
            let message = folders.object(bucket, key).unwrap_err().message.unwrap();
            assert!(message.contains(&format!("S3 Error Code: {code}.")), "{bucket} {key}: {message}");
        }
        assert!(CodeFolders::default().object("apples", "red/one.zip").unwrap_err().message.unwrap().contains("`api_buckets`"));
        assert!(CodeFolders::open(Some(&root.join("nothing")), &[]).unwrap_err().to_string().contains("nothing"));
    }

    #[test]
    fn code_is_reloaded_only_from_folders_that_are_named() {
        let place = tempfile::tempdir().unwrap();
        let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
        std::fs::create_dir_all(inside.join("f")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let folders = CodeFolders::open(None, std::slice::from_ref(&inside)).unwrap();
        assert!(folders.hot(&inside.join("f")).is_ok());
        for elsewhere in [outside.clone(), inside.join("link"), inside.join("../outside"), inside.join("nothing"), "f".into()] {
            assert!(
                folders.hot(&elsewhere).unwrap_err().message.unwrap().contains("`api_hot_reload`"),
                "{}",
                elsewhere.display()
            );
        }
        assert!(CodeFolders::default().hot(&inside).is_err());
    }

    #[test]
    fn files_that_are_written_or_added_look_different() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a.py"), "1").unwrap();
        let before = look(place.path());
        assert_eq!(look(place.path()), before);
        std::fs::write(place.path().join("a.py"), "12").unwrap();
        let written = look(place.path());
        assert_ne!(written, before);
        std::fs::write(place.path().join("b.py"), "").unwrap();
        assert_ne!(look(place.path()), written);
    }
}
