//! The key-value store that the configuration associates with the function; read-only.

/// The value of a key; None where the key, or the store, does not exist.
pub fn get(key: &str) -> Option<Vec<u8>> {
    crate::abi::get(key)
}

/// As [`get`]; None where the value is not UTF-8.
pub fn get_text(key: &str) -> Option<String> {
    get(key).and_then(|value| String::from_utf8(value).ok())
}

/// How many keys the store holds; 0 without a store.
pub fn count() -> u32 {
    crate::abi::keys()
}
