//! A MaxMind DB, written by the format's specification (version 2.0, IPv4, records of 24 bits).

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// A database in which each address has its own entry.
pub fn database(entries: &[(Ipv4Addr, Value)]) -> Vec<u8> {
    const NOTHING: usize = usize::MAX;
    let mut nodes = vec![[NOTHING; 2]];
    let mut data = Vec::new();
    let mut leaves = Vec::new();
    for (address, value) in entries {
        let bits = u32::from(*address);
        let mut node = 0;
        for depth in (1..32).rev() {
            let side = (bits >> depth & 1) as usize;
            if nodes[node][side] == NOTHING {
                nodes[node][side] = nodes.len();
                nodes.push([NOTHING; 2]);
            }
            node = nodes[node][side];
        }
        leaves.push((node, (bits & 1) as usize, data.len()));
        encode(value, &mut data);
    }
    let count = nodes.len();
    for (node, side, offset) in leaves {
        nodes[node][side] = count + 16 + offset;
    }
    let mut file = Vec::new();
    for record in nodes.iter().flatten() {
        let record = if *record == NOTHING { count } else { *record };
        file.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = json!({
        "node_count": count, "record_size": 24, "ip_version": 4, "database_type": "Test", "languages": ["en"],
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1, "description": {"en": "test"},
    });
    encode(&metadata, &mut file);
    file
}

/// Fields that have 16 bits; the others have 32.
const SHORT: [&str; 5] =
    ["record_size", "ip_version", "binary_format_major_version", "binary_format_minor_version", "metro_code"];

fn integer(kind: u8, bytes: usize, number: u64, out: &mut Vec<u8>) {
    control(kind, bytes, out);
    out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) if number.is_f64() => {
            control(3, 8, out);
            out.extend_from_slice(&number.as_f64().unwrap().to_be_bytes());
        }
        Value::Number(number) => integer(6, 4, number.as_u64().unwrap(), out),
        Value::Object(map) => {
            control(7, map.len(), out);
            for (name, value) in map {
                encode(&Value::String(name.clone()), out);
                match value.as_u64() {
                    Some(number) if SHORT.contains(&name.as_str()) => integer(5, 2, number, out),
                    Some(number) if name == "build_epoch" => integer(9, 8, number, out),
                    _ => encode(value, out),
                }
            }
        }
        Value::Array(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Null | Value::Bool(_) => panic!("not needed so far"),
    }
}

/// Type and size; types above 7 are in a byte of their own.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let size = u8::try_from(size).unwrap();
    let (short, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    if kind <= 7 {
        out.push(kind << 5 | short);
    } else {
        out.extend_from_slice(&[short, kind - 7]);
    }
    out.extend(more);
}
