//! Checks whether a component's imports are offered, with the same linkers that link instances.
//!
//! A linker cannot be listed. But it can be tried with a component that has only one import: its answer for that import
//! is its answer for the whole, including the rules for versions. First the component's own imports are tried,
//! all at once and with their types. Only if that fails each function is tried by name, so that all missing ones can be
//! reported.

use wasm_encoder::{
    Alias, Component as Encoder, ComponentAliasSection, ComponentImportSection, ComponentOuterAliasKind, ComponentTypeRef,
    ComponentTypeSection, ComponentValType, InstanceType, PrimitiveValType, RawSection, TypeBounds,
};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{ComponentAlias, ComponentExternalKind, Parser, Payload};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result};

use crate::limits::Profile;
use crate::limits::compile::NAMES_ASKED;
use crate::wasm::sealed;
use crate::wasm::state::ViewerState;
use crate::wasm::worker::linker;
use crate::wasm::worker::state::WorkerState;

/// What components of a profile may import.
pub enum AvailableImports {
    Viewer(Linker<ViewerState>),
    Worker(Linker<WorkerState>),
}

/// The result of trying all imports at once.
pub(super) enum Linked {
    Yes,
    /// Missing functions, as `interface#function`.
    Missing(Vec<String>),
    /// An import of another type, most likely: the engine's message.
    Mismatch(String),
}

impl AvailableImports {
    pub fn of(engine: &Engine, profile: Profile) -> Result<AvailableImports> {
        Ok(match profile {
            Profile::Viewer => AvailableImports::Viewer(sealed::linker(engine)?),
            Profile::Worker => AvailableImports::Worker(linker::linker(engine)?),
        })
    }

    /// Tries the imports. `component` is valid, and `types` are its types.
    pub(super) fn linked(&self, component: &[u8], imports: &[String], types: TypesRef<'_>) -> Linked {
        let said = match imports_alone(component).map(|alone| self.asked(&alone)) {
            Some(Ok(())) => return Linked::Yes,
            Some(Err(error)) => Some(error),
            None => None,
        };
        let mut questions = NAMES_ASKED;
        let missing: Vec<String> = imports.iter().flat_map(|import| self.missing(import, types, &mut questions)).collect();
        match said {
            _ if !missing.is_empty() => Linked::Missing(missing),
            Some(error) => Linked::Mismatch(format!("{error:#}")),
            // It cannot be tried as a whole, and every function is offered.
            None => Linked::Yes,
        }
    }

    /// Tries each function, at most `questions`: each costs a little, and a component may import any number.
    fn missing(&self, import: &str, types: TypesRef<'_>, questions: &mut usize) -> Vec<String> {
        let Some(item) = types.component_item_for_import(import) else { return Vec::new() };
        match item.ty {
            ComponentEntityType::Instance(id) => {
                let functions = types[id].exports.iter().filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
                let functions = functions.take(*questions).collect::<Vec<_>>();
                *questions -= functions.len();
                let missing =
                    functions.into_iter().filter(|(name, _)| question(import, name).is_some_and(|asked| self.lacks(&asked)));
                missing.map(|(name, _)| format!("{import}#{name}")).collect()
            }
            ComponentEntityType::Func(_) if *questions > 0 => {
                *questions -= 1;
                let mut asked = Encoder::new();
                let mut types = ComponentTypeSection::new();
                types.function().params::<[(&str, ComponentValType); 0], _>([]).result(None);
                asked.section(&types);
                asked.section(ComponentImportSection::new().import(import, ComponentTypeRef::Func(0)));
                if self.lacks(&asked.finish()) { vec![import.to_owned()] } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    fn asked(&self, component: &[u8]) -> Result<()> {
        match self {
            AvailableImports::Viewer(linker) => linker.instantiate_pre(&Component::new(linker.engine(), component)?).map(drop),
            AvailableImports::Worker(linker) => linker.instantiate_pre(&Component::new(linker.engine(), component)?).map(drop),
        }
    }

    /// Whether the only import is missing, whatever its type. The error has no type of its own; `tests` check its text.
    fn lacks(&self, component: &[u8]) -> bool {
        let missing = |error: wasmtime::Error| error.root_cause().to_string() == "function implementation is missing";
        self.asked(component).is_err_and(missing)
    }
}

/// A component that imports one function of an interface, with an arbitrary type. `None` for a name that cannot be imported
/// alone.
fn question(interface: &str, function: &str) -> Option<Vec<u8>> {
    let mut instance = InstanceType::new();
    let none: [(&str, ComponentValType); 0] = [];
    if let Some((kind, name)) = function.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // Such a name is allowed only together with its resource: type 0, and own or borrowed type 1.
        let resource = name.split('.').next()?;
        instance.export(resource, ComponentTypeRef::Type(TypeBounds::SubResource));
        match kind {
            "method" => {
                instance.ty().defined_type().borrow(0);
                instance.ty().function().params([("self", ComponentValType::Type(1))]).result(None);
            }
            "constructor" => {
                instance.ty().defined_type().own(0);
                instance.ty().function().params(none).result(Some(ComponentValType::Type(1)));
            }
            "static" => {
                instance.ty().defined_type().primitive(PrimitiveValType::Bool);
                instance.ty().function().params(none).result(None);
            }
            _ => return None,
        }
        instance.export(function, ComponentTypeRef::Func(2));
    } else {
        instance.ty().function().params(none).result(None);
        instance.export(function, ComponentTypeRef::Func(0));
    }
    let mut asked = Encoder::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&instance);
    asked.section(&types);
    asked.section(ComponentImportSection::new().import(interface, ComponentTypeRef::Instance(0)));
    Some(asked.finish())
}

/// A component with the same imports and no code. `None` if the imports refer to anything but types and other imports.
fn imports_alone(component: &[u8]) -> Option<Vec<u8>> {
    let mut alone = Encoder::new();
    // Sections behind the last import are not needed.
    let mut whole = 0;
    let mut sections = Vec::new();
    let mut parser = Parser::new(0);
    let mut at = 0;
    loop {
        let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(&component[at..], true).ok()? else { return None };
        at += consumed;
        match &payload {
            Payload::ModuleSection { unchecked_range: range, .. } | Payload::ComponentSection { unchecked_range: range, .. } => {
                at = range.end;
                if matches!(payload, Payload::ComponentSection { .. }) {
                    sections.push(None);
                }
            }
            Payload::ComponentTypeSection(_) | Payload::CoreTypeSection(_) => sections.push(payload.as_section().map(Kept::Raw)),
            Payload::ComponentImportSection(_) => {
                sections.push(payload.as_section().map(Kept::Raw));
                whole = sections.len();
            }
            Payload::ComponentAliasSection(aliases) => {
                let mut kept = ComponentAliasSection::new();
                for alias in aliases.clone() {
                    match alias.ok()? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, instance_index, name } => {
                            let kind = wasm_encoder::ComponentExportKind::Type;
                            kept.alias(Alias::InstanceExport { instance: instance_index, kind, name });
                        }
                        ComponentAlias::Outer { kind: wasmparser::ComponentOuterAliasKind::Type, count, index } => {
                            kept.alias(Alias::Outer { kind: ComponentOuterAliasKind::Type, count, index });
                        }
                        // Of functions and core items, which no import refers to.
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Func, .. }
                        | ComponentAlias::CoreInstanceExport { .. } => {}
                        _ => sections.push(None),
                    }
                }
                if !kept.is_empty() {
                    sections.push(Some(Kept::Aliases(kept)));
                }
            }
            Payload::ComponentInstanceSection(_) | Payload::ComponentExportSection(_) => sections.push(None),
            Payload::End(_) => break,
            _ => {}
        }
    }
    for section in sections.into_iter().take(whole) {
        match section? {
            Kept::Raw((id, range)) => drop(alone.section(&RawSection { id, data: &component[range] })),
            Kept::Aliases(aliases) => drop(alone.section(&aliases)),
        }
    }
    Some(alone.finish())
}

enum Kept {
    Raw((u8, std::ops::Range<usize>)),
    Aliases(ComponentAliasSection),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::wasm::compile::{CompileError, examine};
    use crate::wasm::engine::config;

    fn missing(offer: &AvailableImports, wat: &str) -> Vec<String> {
        let bytes = wat::parse_str(wat).unwrap();
        let valid = examine::validated(&bytes, Profile::Worker).unwrap();
        let imports = examine::outline(&bytes).unwrap().imports;
        match offer.linked(&bytes, &imports, valid.types.as_ref()) {
            Linked::Yes => Vec::new(),
            Linked::Missing(missing) => missing,
            Linked::Mismatch(error) => vec![error],
        }
    }

    #[test]
    fn a_function_is_missing_where_the_linker_has_none_of_that_name_whatever_its_type() {
        let offer = AvailableImports::of(&config::compiling(Profile::Worker).unwrap(), Profile::Worker).unwrap();
        for (wat, expected) in [
            (
                r#"(component (import "wasi:random/random@0.2.6" (instance (export "get-random-u64" (func (result u64))))))"#,
                &[][..],
            ),
            (r#"(component (import "wasi:random/random@0.2.99" (instance (export "get-random-u64" (func (result u64))))))"#, &[]),
            (
                r#"(component (import "wasi:random/random@0.9.0" (instance (export "get-random-u64" (func (result u64))))))"#,
                &["wasi:random/random@0.9.0#get-random-u64"],
            ),
            (r#"(component (import "f" (func)) (import "g" (func)))"#, &["f", "g"]),
            // What an import refers to in another one.
            (
                r#"(component
                     (import "wasi:io/error@0.2.0" (instance $e (export "error" (type (sub resource)))))
                     (alias export $e "error" (type $error))
                     (import "wasi:io/streams@0.2.0" (instance
                       (export "error" (type (eq $error)))
                       (export "output-stream" (type $output (sub resource)))
                       (export "[method]output-stream.check-read" (func (param "self" (borrow $output)))))))"#,
                &["wasi:io/streams@0.2.0#[method]output-stream.check-read"],
            ),
        ] {
            assert_eq!(missing(&offer, wat), expected, "{wat}");
        }
        // There, but of another type: the engine says so, and it is not taken for missing.
        let other = r#"(component (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func)))))"#;
        let said = missing(&offer, other);
        assert!(said.len() == 1 && said[0].contains("wrong type"), "{said:?}");
    }

    #[test]
    fn a_viewer_component_may_import_the_sealed_wasi_and_nothing_else() {
        let engine = config::compiling(Profile::Viewer).unwrap();
        let offer = AvailableImports::of(&engine, Profile::Viewer).unwrap();
        let wat = r#"(component
            (import "edgeward:edge/log@0.1.0" (instance (export "line" (func (param "text" string)))))
            (import "wasi:filesystem/preopens@0.2.3" (instance (export "get-doors" (func)))))"#;
        assert_eq!(missing(&offer, wat), ["wasi:filesystem/preopens@0.2.3#get-doors"]);
        let exported =
            wat.replace("(component", "(component (instance $e) (export \"edgeward:edge/viewer-request@0.1.0\" (instance $e))");
        let examined = examine::examined(&wat::parse_str(exported).unwrap(), &Limits::defaults(Profile::Viewer), &offer);
        let Err(CompileError::Functions { functions }) = examined.map(drop) else { panic!("it is not refused for a function") };
        assert_eq!(functions, ["wasi:filesystem/preopens@0.2.3#get-doors"]);
    }
}
