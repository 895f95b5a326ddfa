//! I measure how functions that compete for a thread share it: each does nothing but compute, until its time is over.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tokio::task::LocalSet;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemorySection, MemoryType, Module, TypeSection,
};

use super::invocation::invocation;
use crate::function::call::Call;
use crate::function::lane::WorkerLane;
use crate::function::revision::Revision;

/// What one of them got.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadShare {
    pub memory_mb: u32,
    /// Of all units of fuel.
    pub percent: f64,
    /// How many times as much as the last one.
    pub ratio: f64,
}

/// Calls functions at the same time, on one thread, each of which runs until its limits end it. `memory_mb` is what each is
/// configured with.
pub fn shares(functions: &[(u32, Arc<Revision>)]) -> anyhow::Result<Vec<ThreadShare>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lane = std::rc::Rc::new(WorkerLane::new(0));
    let tasks = LocalSet::new();
    let calls: Vec<_> = functions
        .iter()
        .map(|(_, revision)| {
            let (revision, lane, call) =
                (revision.clone(), lane.clone(), Call::Invoke(invocation(revision, Bytes::from_static(b"{}"))));
            tasks.spawn_local(async move { revision.call(&lane, call).await.into_invoke().usage.fuel })
        })
        .collect();
    let fuels = tasks.block_on(&runtime, async {
        let mut fuels = Vec::new();
        for call in calls {
            fuels.push(call.await?);
        }
        Ok::<_, tokio::task::JoinError>(fuels)
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a share needs few digits")]
    let fuels: Vec<f64> = fuels.into_iter().map(|fuel| fuel as f64).collect();
    let (all, last) = (fuels.iter().sum::<f64>(), fuels.last().copied().unwrap_or_default());
    anyhow::ensure!(last > 0.0, "the last function did not get to run");
    let shares = functions.iter().zip(fuels);
    Ok(shares
        .map(|((memory_mb, _), fuel)| ThreadShare { memory_mb: *memory_mb, percent: 100.0 * fuel / all, ratio: fuel / last })
        .collect())
}

/// A program for WASI 0.1 that does not end.
pub fn endless() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("_start", ExportKind::Func, 0);
    let mut body = Function::new([]);
    body.instructions().loop_(BlockType::Empty).br(0).end().end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}
