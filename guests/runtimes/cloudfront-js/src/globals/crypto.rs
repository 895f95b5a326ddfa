//! Hashes of what JavaScript has gathered.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::globals::{Native, bytes};
use crate::js::{self, Ctx, Js, Text, Value};

pub const NATIVE: &[Native] = &[(c"digest", 3, digest)];

/// `digest(algorithm, key, chunks)`: with a key it is an HMAC.
unsafe extern "C" fn digest(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript.
    let arguments = unsafe { js::arguments(count, values) };
    let digest = || {
        let algorithm = Text::of(ctx, js::argument(arguments, 0))?;
        let (key, list) = (js::argument(arguments, 1), js::argument(arguments, 2));
        let mut chunks = Vec::new();
        for index in 0..js::length(ctx, list)? {
            chunks.push(js::element(ctx, list, index)?);
        }
        let key = if js::is_undefined(key) { None } else { Some(bytes::view(ctx, key)?) };
        let digest = match (&*algorithm, key) {
            (b"md5", None) => hash::<Md5>(ctx, &chunks),
            (b"sha1", None) => hash::<Sha1>(ctx, &chunks),
            (b"sha256", None) => hash::<Sha256>(ctx, &chunks),
            (b"sha384", None) => hash::<Sha384>(ctx, &chunks),
            (b"sha512", None) => hash::<Sha512>(ctx, &chunks),
            (b"md5", Some(key)) => mac::<Hmac<Md5>>(ctx, key, &chunks),
            (b"sha1", Some(key)) => mac::<Hmac<Sha1>>(ctx, key, &chunks),
            (b"sha256", Some(key)) => mac::<Hmac<Sha256>>(ctx, key, &chunks),
            (b"sha384", Some(key)) => mac::<Hmac<Sha384>>(ctx, key, &chunks),
            (b"sha512", Some(key)) => mac::<Hmac<Sha512>>(ctx, key, &chunks),
            _ => Err(js::throw_type_error(ctx, "not supported algorithm")),
        };
        chunks.iter().for_each(|chunk| js::free(ctx, *chunk));
        bytes::array(ctx, &digest?)
    };
    js::returned(digest())
}

fn hash<D: Digest>(ctx: Ctx, chunks: &[Value]) -> Js<Vec<u8>> {
    let mut hash = D::new();
    for chunk in chunks {
        hash.update(bytes::view(ctx, *chunk)?);
    }
    Ok(hash.finalize().to_vec())
}

fn mac<M: Mac + KeyInit>(ctx: Ctx, key: &[u8], chunks: &[Value]) -> Js<Vec<u8>> {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return Err(js::throw_type_error(ctx, "the key has a length that is not allowed"));
    };
    for chunk in chunks {
        mac.update(bytes::view(ctx, *chunk)?);
    }
    Ok(mac.finalize().into_bytes().to_vec())
}
