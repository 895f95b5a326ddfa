//! Made-up components, called on an instance that is put back after each call and on a new one each time: equal
//! answers, equal failures, equal fuel, equal log; and in the end equal memories and globals.

mod text;

use arbitrary::Unstructured;
use wasmtime::component::Component;

use crate::limits::{Limits, Profile};
use crate::wasm::abi::Moment;
#[cfg(not(test))]
use crate::wasm::compile::Compiler;
use crate::wasm::compile::{self, Compiled, Inspection};
use crate::wasm::engine::Engines;
use crate::wasm::restore::{self, Flavour};
use crate::wasm::viewer::{ViewerCallResult, ViewerCode, ViewerInstance};

/// The first bytes say what the component does, the last ones what it is sent.
pub(crate) fn differential(data: &[u8]) {
    let mut choices = Unstructured::new(data);
    let Ok(component) = text::component(&mut choices) else { return };
    let component = wat::parse_str(&component).unwrap_or_else(|error| panic!("{error}\n{component}"));
    let events: Vec<Vec<u8>> = (0..6).map_while(|_| choices.arbitrary().ok()).collect();
    compare(&component, &events);
}

/// As `differential`, with the text of a component: what a hand has thought of.
pub(crate) fn compare(component: &[u8], events: &[Vec<u8>]) {
    let engines = engines();
    let limits = Limits::defaults(Profile::Viewer);
    let Ok(charged) = compile::charged(component, Profile::Viewer) else { return };
    let Ok(rewritten) = restore::rewrite(&charged, limits.value(crate::limits::Limit::MemoryBytes), Flavour::Function) else {
        return;
    };
    let component = Component::new(&engines.viewer, &rewritten).unwrap_or_else(|error| panic!("{error:#}"));
    let (inspection, flavour) = (Inspection::default(), Flavour::Function);
    let compiled = Compiled { component, inspection, restorable: Ok(()), flavour, state: None };
    let code = ViewerCode::new(engines, &compiled, &limits, None).unwrap_or_else(|error| panic!("{error}"));
    let Ok(mut kept) = code.instantiate() else { return };
    for (number, event) in (0u64..).zip(events) {
        let mut new = code.instantiate().unwrap_or_else(|failure| panic!("the second does not start: {failure}"));
        let call = |instance: &mut ViewerInstance| -> (String, String) {
            // Clock and random numbers tell one call from the next, and are the same for both.
            let ViewerCallResult { result, fuel } = instance.call(&code, Moment::ViewerRequest, event, number << 40, number);
            (format!("{result:?} with {fuel} units"), instance.take_log())
        };
        let (answer, expected) = (call(&mut kept), call(&mut new));
        assert_eq!(answer, expected, "call {number} of {event:?}");
        if !answer.0.starts_with("Ok") || !kept.restore() {
            kept = new;
            if !answer.0.starts_with("Ok") || !kept.restore() {
                kept = code.instantiate().unwrap_or_else(|failure| panic!("another does not start: {failure}"));
            }
        }
    }
    let mut kept = kept.into_state().expect("it can be restored");
    let mut new = code.instantiate().ok().and_then(ViewerInstance::into_state).expect("it can be restored");
    assert_eq!(new.difference(&mut kept), None, "after all calls");
}

fn engines() -> &'static Engines {
    #[cfg(test)]
    return crate::wasm::engine::tests::engines();
    #[cfg(not(test))]
    {
        static ENGINES: std::sync::LazyLock<Engines> = std::sync::LazyLock::new(|| {
            let directory = std::env::temp_dir().join(format!("edgeward-fuzz-{}", std::process::id()));
            Engines::new(&directory, Compiler::Unbounded).unwrap_or_else(|error| panic!("{error:#}"))
        });
        &ENGINES
    }
}
