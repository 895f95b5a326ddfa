//! I know the worlds of `wit/edge`, and wrap a core module into a component of them.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, WorldId};

const MOMENTS: [&str; 4] = ["viewer-request", "origin-request", "origin-response", "viewer-response"];

pub struct Worlds {
    resolve: Resolve,
    /// A world that exports this moment alone, in the order of `MOMENTS`.
    ids: [WorldId; 4],
}

impl Worlds {
    pub fn load(wit: &Path) -> Result<Worlds> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit).with_context(|| format!("cannot read {}", wit.display()))?;
        let mut ids = Vec::new();
        for moment in MOMENTS {
            ids.push(resolve.select_world(&[package], Some(&format!("{moment}-hook")))?);
        }
        Ok(Worlds { resolve, ids: ids.try_into().expect("one world for each moment") })
    }

    /// Wraps a core module; a component stays as it is. A module that does not say which worlds it is for (a
    /// text module) is for those whose functions it exports.
    pub fn componentize(&self, module: &[u8]) -> Result<Vec<u8>> {
        if wasmparser::Parser::is_component(module) {
            return Ok(module.to_vec());
        }
        let mut module = module.to_vec();
        let shape = Shape::of(&module)?;
        if !shape.typed {
            for (moment, id) in MOMENTS.iter().zip(self.ids) {
                if shape.exports.contains(&format!("edgeward:edge/{moment}@0.1.0#handle")) {
                    wit_component::embed_component_metadata(&mut module, &self.resolve, id, StringEncoding::UTF8)?;
                }
            }
        }
        let mut encoder = ComponentEncoder::default().validate(true).module(&module)?;
        Ok(encoder.encode()?)
    }
}

struct Shape {
    typed: bool,
    exports: Vec<String>,
}

impl Shape {
    fn of(module: &[u8]) -> Result<Shape> {
        let mut shape = Shape { typed: false, exports: Vec::new() };
        for payload in wasmparser::Parser::new(0).parse_all(module) {
            match payload? {
                wasmparser::Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    shape.typed = true;
                }
                wasmparser::Payload::ExportSection(section) => {
                    for export in section {
                        shape.exports.push(export?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        match shape.exports.iter().any(|name| name.starts_with("edgeward:edge/")) {
            true => Ok(shape),
            false => bail!("the module exports no hook; is a macro of edgeward_sdk used in it?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `UPDATE_EXPECT=1` they are written anew.
    #[test]
    fn the_sdk_has_the_worlds_of_wit() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let worlds = Worlds::load(&root.join("wit/edge")).unwrap();
        for (moment, id) in MOMENTS.iter().zip(worlds.ids) {
            let encoded = wit_component::metadata::encode(&worlds.resolve, id, StringEncoding::UTF8, None).unwrap();
            let path = root.join("guests/sdk/src/worlds").join(moment);
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &encoded).unwrap();
            }
            let is_same = std::fs::read(&path).is_ok_and(|bytes| bytes == encoded);
            assert!(is_same, "{} is not what wit/edge says; run this test with UPDATE_EXPECT=1", path.display());
        }
    }
}
