//! How many bytes the host may write through the pointer that a lowered function is given for its result: the size of
//! the result's type in memory, by the canonical ABI (Component Model, CanonicalABI.md, "Element Size").

use wasmparser::PrimitiveValType;
use wasmparser::component_types::{ComponentDefinedType, ComponentFuncTypeId, ComponentValType};
use wasmparser::types::TypesRef;

use super::unsuitable::Unsuitable;
use crate::limits::restore::TYPES;

/// Computes the sizes of results.
pub(super) struct Areas<'a> {
    types: TypesRef<'a>,
    /// How many types were visited.
    looked_at: &'a mut u32,
}

#[derive(Clone, Copy)]
struct Layout {
    size: u64,
    align: u64,
}

impl Layout {
    const EMPTY: Layout = Layout { size: 0, align: 1 };

    fn scalar(size: u64) -> Layout {
        Layout { size, align: size }
    }

    fn aligned(at: u64, align: u64) -> u64 {
        at.checked_next_multiple_of(align).unwrap_or(u64::MAX)
    }

    /// A field after those of `self`.
    fn then(self, field: Layout) -> Layout {
        let at = Layout::aligned(self.size, field.align);
        Layout { size: at.saturating_add(field.size), align: self.align.max(field.align) }
    }

    fn padded(self) -> Layout {
        Layout { size: Layout::aligned(self.size, self.align), ..self }
    }
}

impl<'a> Areas<'a> {
    /// `looked_at` is carried on from one function to the next.
    pub(super) fn with(types: TypesRef<'a>, looked_at: &'a mut u32) -> Areas<'a> {
        Areas { types, looked_at }
    }

    /// The bytes of a function's result in memory; 0 without one.
    pub(super) fn of_result(&mut self, func: ComponentFuncTypeId) -> Result<u64, Unsuitable> {
        match self.types[func].result {
            Some(result) => Ok(self.of(result)?.size),
            None => Ok(0),
        }
    }

    fn of(&mut self, ty: ComponentValType) -> Result<Layout, Unsuitable> {
        *self.looked_at += 1;
        if *self.looked_at > TYPES {
            return Err(Unsuitable::Shape("its types are too large"));
        }
        let id = match ty {
            ComponentValType::Primitive(primitive) => return primitive_layout(primitive),
            ComponentValType::Type(id) => id,
        };
        let types = self.types;
        Ok(match &types[id] {
            ComponentDefinedType::Primitive(primitive) => primitive_layout(*primitive)?,
            ComponentDefinedType::Record(record) => self.fields(record.fields.values().copied())?,
            ComponentDefinedType::Tuple(tuple) => self.fields(tuple.types.iter().copied())?,
            ComponentDefinedType::List { .. } => Layout { size: 8, align: 4 },
            ComponentDefinedType::Variant(variant) => self.cases(variant.cases.values().map(|case| case.ty))?,
            ComponentDefinedType::Option { ty, .. } => self.cases([None, Some(*ty)].into_iter())?,
            ComponentDefinedType::Result { ok, err, .. } => self.cases([*ok, *err].into_iter())?,
            ComponentDefinedType::Enum(names) => Layout::scalar(discriminant(names.len())),
            ComponentDefinedType::Flags(names) if names.len() <= 8 => Layout::scalar(1),
            ComponentDefinedType::Flags(names) if names.len() <= 16 => Layout::scalar(2),
            ComponentDefinedType::Flags(names) => Layout { size: names.len().div_ceil(32) as u64 * 4, align: 4 },
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => Layout::scalar(4),
            ComponentDefinedType::FixedLengthList { .. }
            | ComponentDefinedType::Map { .. }
            | ComponentDefinedType::Future { .. }
            | ComponentDefinedType::Stream { .. } => return Err(Unsuitable::Shape("it uses asynchronous or experimental types")),
        })
    }

    fn fields(&mut self, fields: impl Iterator<Item = ComponentValType>) -> Result<Layout, Unsuitable> {
        let mut layout = Layout::EMPTY;
        for field in fields {
            layout = layout.then(self.of(field)?);
        }
        Ok(layout.padded())
    }

    fn cases(&mut self, cases: impl ExactSizeIterator<Item = Option<ComponentValType>>) -> Result<Layout, Unsuitable> {
        let tag = Layout::scalar(discriminant(cases.len()));
        let mut widest = Layout::EMPTY;
        for case in cases.flatten() {
            let case = self.of(case)?;
            widest = Layout { size: widest.size.max(case.size), align: widest.align.max(case.align) };
        }
        Ok(tag.then(widest).padded())
    }
}

fn discriminant(cases: usize) -> u64 {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

fn primitive_layout(primitive: PrimitiveValType) -> Result<Layout, Unsuitable> {
    Ok(match primitive {
        PrimitiveValType::Bool | PrimitiveValType::S8 | PrimitiveValType::U8 => Layout::scalar(1),
        PrimitiveValType::S16 | PrimitiveValType::U16 => Layout::scalar(2),
        PrimitiveValType::S32 | PrimitiveValType::U32 | PrimitiveValType::F32 | PrimitiveValType::Char => Layout::scalar(4),
        PrimitiveValType::S64 | PrimitiveValType::U64 | PrimitiveValType::F64 => Layout::scalar(8),
        PrimitiveValType::String => Layout { size: 8, align: 4 },
        PrimitiveValType::ErrorContext => return Err(Unsuitable::Shape("it uses asynchronous or experimental types")),
    })
}

#[cfg(test)]
mod tests {
    use wasmparser::{Validator, WasmFeatures};

    use super::*;

    #[track_caller]
    fn check(result: &str, size: u64) {
        let wat = format!(
            r#"(component
                 (type $named (record (field "a" u8) (field "b" u64)))
                 (type $many (flags {}))
                 (import "named" (type $n (eq $named)))
                 (import "many" (type $m (eq $many)))
                 (import "f" (func (result {result}))))"#,
            (0..17).map(|i| format!("\"f{i}\" ")).collect::<String>(),
        );
        let bytes = wat::parse_str(wat).unwrap();
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(&bytes).unwrap();
        let types = types.as_ref();
        assert_eq!(Areas::with(types, &mut 0).of_result(types.component_function_at(0)).unwrap(), size, "{result}");
    }

    #[test]
    fn a_result_takes_the_bytes_of_the_canonical_abi() {
        check("u8", 1);
        check("string", 8);
        check("(list u64)", 8);
        check("(tuple u8 u32 u8)", 12);
        check("(tuple u8 u64 u16)", 24);
        check("(option u8)", 2);
        check("(option u64)", 16);
        check("(result u64 (error u8))", 16);
        check("(result)", 1);
        check("(result (tuple u64 u64 (option (tuple u64 u32))))", 48);
        check("$n", 16);
        check("$m", 4);
    }
}
