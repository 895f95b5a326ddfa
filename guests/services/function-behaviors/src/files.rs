//! Files, step by step: each is a list of a word, a path and what else it needs, and each result a value, or the error's text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};

use serde_json::{Value, json};

const CHUNK: usize = 64 << 10;

pub fn run(steps: &Value) -> Value {
    steps.as_array().into_iter().flatten().map(|step| done(step).unwrap_or_else(|error| json!(error.to_string()))).collect()
}

fn done(step: &Value) -> io::Result<Value> {
    let text = |at: usize| step[at].as_str().unwrap_or_default();
    let number = |at: usize| step[at].as_u64().unwrap_or_default();
    let path = text(1);
    match text(0) {
        "write" => fs::write(path, text(2))?,
        "append" => OpenOptions::new().append(true).create(true).open(path)?.write_all(text(2).as_bytes())?,
        "fill" => {
            let (mut file, mut left) = (File::create(path)?, usize::try_from(number(2)).unwrap_or(usize::MAX));
            while left > 0 {
                let length = left.min(CHUNK);
                file.write_all(&vec![b'x'; length])?;
                left -= length;
            }
        }
        "resize" => OpenOptions::new().write(true).open(path)?.set_len(number(2))?,
        "read" => return Ok(json!(String::from_utf8_lossy(&fs::read(path)?))),
        "length" => return Ok(json!(fs::metadata(path)?.len())),
        "list" => {
            let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let mut names = entries.collect::<io::Result<Vec<_>>>()?;
            names.sort();
            return Ok(json!(names));
        }
        "mkdir" => fs::create_dir(path)?,
        "remove" => fs::remove_file(path)?,
        "clear" => fs::remove_dir_all(path)?,
        "rename" => fs::rename(path, text(2))?,
        "link" => fs::hard_link(path, text(2))?,
        #[expect(deprecated, reason = "the only one for every system")]
        "symlink" => fs::soft_link(path, text(2))?,
        // A file that has no name any more.
        "unnamed" => {
            let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            file.write_all(text(2).as_bytes())?;
            fs::remove_file(path)?;
            file.rewind()?;
            let mut read = String::new();
            file.read_to_string(&mut read)?;
            return Ok(json!(read));
        }
        // How many empty files there may be, until one is too many.
        "many" => {
            let made = (0..number(2)).take_while(|n| File::create(format!("{path}{n}")).is_ok());
            return Ok(json!(made.count()));
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    Ok(json!("ok"))
}
