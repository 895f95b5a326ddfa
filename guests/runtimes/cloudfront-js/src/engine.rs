//! I am the engine with a function in it: how a source is compiled, and how its handler is called.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use rquickjs_sys as q;

use crate::answer::{self, Answer};
use crate::atoms::{self, Atoms};
use crate::event::{self, Event, Skeleton};
use crate::globals::{Compiled, Piece};
use crate::js::{self, Ctx, Js, Thrown, Value};
use crate::pairs;
use crate::result::{self, Refusal};
use crate::{clock, error, globals};

/// How deep a source may recurse, in bytes of the instance's own stack (`build.rs`): about 170 calls. WebAssembly's stack, of
/// which the host gives 256 KiB, fills four times as fast, and its end would be a trap instead of a `RangeError`.
#[cfg(target_arch = "wasm32")]
const STACK_BYTES: u32 = 48 * 1024;
/// Frames of the machine's own are several times as big.
#[cfg(not(target_arch = "wasm32"))]
const STACK_BYTES: u32 = 512 * 1024;

/// Two languages: what is there for a source, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `cloudfront-js-1.0`
    One,
    /// `cloudfront-js-2.0`
    Two,
}

impl Dialect {
    fn named(name: &str) -> Result<Dialect, String> {
        match name {
            "cloudfront-js-1.0" => Ok(Dialect::One),
            "cloudfront-js-2.0" => Ok(Dialect::Two),
            _ => Err(format!("the dialect {name:?} is not known: it is cloudfront-js-1.0 or cloudfront-js-2.0")),
        }
    }
}

/// An engine in which nothing of a function is yet: what all of a dialect have in common. The Runtime is built with one
/// (`abi::prepare`).
pub struct Prepared(NonNull<Engine>);

/// A function that was loaded.
pub struct Function(NonNull<Engine>);

/// What all parts need; it is never moved, since the context points to it.
pub struct Engine {
    pub ctx: Ctx,
    pub dialect: Dialect,
    pub atoms: Atoms,
    pub constants: Constants,
    /// The class of `Pairs`.
    pub pairs: q::JSClassID,
    native: Cell<Value>,
    pieces: [Cell<Option<Value>>; Piece::COUNT],
    handler: Cell<Value>,
    call: RefCell<Call>,
    /// The objects of the next event, of a request and of a response.
    skeletons: [RefCell<Option<Skeleton>>; 2],
}

/// Values that each event has.
pub struct Constants {
    pub version: Value,
    pub viewer_request: Value,
    pub viewer_response: Value,
    pub get: Value,
    /// Not for dialect 1.0.
    pub raw_query_string: Value,
}

/// What belongs to the call that runs.
#[derive(Default)]
pub struct Call {
    /// Whether the handler of a request runs, so that its origin may be chosen.
    pub chooses_origin: bool,
    pub query: Option<Vec<u8>>,
    pub edge_location: Vec<u8>,
    /// The ops for the request's origin.
    pub origin: Vec<u8>,
    /// Promises that were rejected and that nobody has taken care of.
    pub rejected: Vec<Value>,
}

impl Prepared {
    /// An error is the text for whoever builds the Runtime.
    pub fn new(dialect: Dialect) -> Result<Prepared, String> {
        let engine = Prepared(Engine::new(dialect).ok_or("there is no memory for the engine")?);
        let made = engine.engine().make_skeletons().and_then(|()| globals::prepare(engine.engine()));
        made.map_err(|Thrown| error::take(engine.engine().ctx))?;
        // Not after `load`: it writes to each object, and the objects that are here would become part of each function.
        // SAFETY: nothing runs.
        unsafe { q::JS_RunGC(q::JS_GetRuntime(engine.engine().ctx)) };
        Ok(engine)
    }

    fn load(self, file: &str, source: &[u8]) -> Result<Function, String> {
        let file = CString::new(file).map_err(|_| "the name of the file has a zero byte".to_owned())?;
        if std::str::from_utf8(source).is_err() {
            return Err("the source is not UTF-8".to_owned());
        }
        clock::begin();
        let function = Function(self.0);
        let engine = function.engine();
        let loaded = globals::install(engine, source).map_err(Refusal::from).and_then(|()| engine.run(&file, source));
        clock::begin();
        match loaded {
            Ok(()) => Ok(function),
            Err(Refusal::Thrown) => Err(error::take(engine.ctx)),
            Err(Refusal::Failed(message) | Refusal::Invalid(message)) => Err(message),
        }
    }

    fn engine(&self) -> &Engine {
        // SAFETY: made by `Engine::new`, never freed.
        unsafe { self.0.as_ref() }
    }
}

impl Function {
    /// Runs a source and finds its handler, in the engine that there is if it is of this dialect. An error is the text for whoever
    /// wrote the source.
    pub fn load(prepared: Option<Prepared>, dialect: &str, file: &str, source: &[u8]) -> Result<Function, String> {
        let dialect = Dialect::named(dialect)?;
        match prepared {
            Some(prepared) if prepared.engine().dialect == dialect => prepared.load(file, source),
            _ => Prepared::new(dialect)?.load(file, source),
        }
    }

    /// Runs one call; an answer there is always. The objects that the handler is given read the event when they are asked, and so
    /// may one that a handler has kept.
    pub fn handle(&self, event: &'static [u8], answer: &mut Vec<u8>) {
        let engine = self.engine();
        clock::begin();
        #[cfg(not(target_arch = "wasm32"))]
        // SAFETY: the runtime is alive. In tests calls come from other depths of the stack.
        unsafe {
            q::JS_UpdateStackTop(q::JS_GetRuntime(engine.ctx));
        }
        let Ok(event) = Event::read(event) else {
            return answer::failed(answer, "the event cannot be read");
        };
        match engine.handle(&event, &mut Answer::begin(answer)) {
            Ok(()) => {}
            Err(Refusal::Thrown) => answer::failed(answer, &error::take(engine.ctx)),
            Err(Refusal::Failed(message)) => answer::failed(answer, &message),
            Err(Refusal::Invalid(message)) => answer::invalid(answer, &message),
        }
    }

    fn engine(&self) -> &Engine {
        // SAFETY: made by `Engine::new`, never freed.
        unsafe { self.0.as_ref() }
    }
}

impl Engine {
    /// An engine with the language's own objects and nothing else.
    fn new(dialect: Dialect) -> Option<NonNull<Engine>> {
        // SAFETY: the calls of a new runtime and a new context, in the order that the engine wants.
        unsafe {
            let runtime = runtime()?;
            q::JS_SetMaxStackSize(runtime, STACK_BYTES.into());
            // Calls are short and their memory is thrown away: looking for cycles would only cost.
            q::JS_SetGCThreshold(runtime, q::size_t::MAX);
            globals::set_loader(runtime);
            q::JS_SetHostPromiseRejectionTracker(runtime, Some(track), std::ptr::null_mut());
            let ctx = q::JS_NewContextRaw(runtime);
            // No `Proxy`, no `WeakRef`, no `performance`: CloudFront has none of them.
            let complete = !ctx.is_null()
                && q::JS_AddIntrinsicBaseObjects(ctx) == 0
                && q::JS_AddIntrinsicDate(ctx) == 0
                && q::JS_AddIntrinsicEval(ctx) == 0
                && q::JS_AddIntrinsicRegExp(ctx) == 0
                && q::JS_AddIntrinsicJSON(ctx) == 0
                && q::JS_AddIntrinsicMapSet(ctx) == 0
                && q::JS_AddIntrinsicTypedArrays(ctx) == 0
                && q::JS_AddIntrinsicPromise(ctx) == 0
                && q::JS_AddIntrinsicBigInt(ctx) == 0;
            if !complete {
                return None;
            }
            let parts = || Some((Atoms::new(ctx).ok()?, Constants::new(ctx).ok()?, pairs::register(ctx).ok()?));
            let (atoms, constants, pairs) = parts()?;
            atoms::intern(ctx).ok()?;
            // For as long as the instance.
            let engine = Box::into_raw(Box::new(Engine {
                ctx,
                dialect,
                atoms,
                constants,
                pairs,
                native: Cell::new(js::JS_UNDEFINED),
                pieces: [const { Cell::new(None) }; Piece::COUNT],
                handler: Cell::new(js::JS_UNDEFINED),
                call: RefCell::default(),
                skeletons: Default::default(),
            }));
            q::JS_SetContextOpaque(ctx, engine.cast());
            NonNull::new(engine)
        }
    }

    /// The engine of a context.
    ///
    /// # Safety
    /// The context is one of mine: JavaScript that calls a function of the globals has no other.
    pub unsafe fn of<'a>(ctx: Ctx) -> &'a Engine {
        // SAFETY: set in `new`, never freed, and only shared.
        unsafe { &*q::JS_GetContextOpaque(ctx).cast::<Engine>() }
    }

    fn make_skeletons(&self) -> Js<()> {
        for (is_response, skeleton) in [false, true].into_iter().zip(&self.skeletons) {
            skeleton.replace(Some(Skeleton::new(self, is_response)?));
        }
        event::keep_shapes(self)
    }

    /// Objects that no handler has seen. After a call the instance is put back, and so has its skeletons again.
    pub fn skeleton(&self, is_response: bool) -> Js<Skeleton> {
        let kept = self.skeletons[usize::from(is_response)].take();
        kept.map_or_else(|| Skeleton::new(self, is_response), Ok)
    }

    /// Nothing in `read` may run JavaScript.
    pub fn with_call<T>(&self, read: impl FnOnce(&mut Call) -> T) -> T {
        read(&mut self.call.borrow_mut())
    }

    /// Runs what was compiled.
    fn evaluate(&self, compiled: Value) -> Js<Value> {
        // SAFETY: the engine takes what it compiled.
        js::checked(unsafe { q::JS_EvalFunction(self.ctx, compiled) })
    }

    /// What a piece of JavaScript gave, if it was asked for before.
    pub fn piece(&self, piece: Piece) -> Option<Value> {
        self.pieces[piece as usize].get()
    }

    pub fn set_piece(&self, piece: Piece, made: Value) {
        self.pieces[piece as usize].set(Some(made));
    }

    /// The functions that the pieces are built on.
    pub fn native(&self) -> Value {
        self.native.get()
    }

    pub fn set_native(&self, native: Value) {
        self.native.set(native);
    }

    /// Runs the source and keeps its handler.
    fn run(&self, file: &CStr, source: &[u8]) -> Result<(), Refusal> {
        let ctx = self.ctx;
        /// Modules keep their names to themselves.
        const GIVE: &str = ";globalThis[Symbol.for('handler')] = typeof handler === 'function' ? handler : undefined;";
        let find = match globals::compile(self, file, source, GIVE)? {
            Compiled::Script(script) => {
                self.evaluate(script)?;
                // A second script sees what the first declared with `const` as well.
                c"typeof handler === 'function' ? handler : undefined"
            }
            Compiled::Module(module) => {
                let done = self.evaluate(module)?;
                self.settled(done)?;
                c"(() => { const key = Symbol.for('handler'), found = globalThis[key]; delete globalThis[key]; return found })()"
            }
        };
        let handler = js::eval(ctx, find, c"handler", q::JS_EVAL_TYPE_GLOBAL | q::JS_EVAL_FLAG_STRICT)?;
        self.run_jobs()?;
        if !js::is_function(ctx, handler) {
            return result::refuse("the source declares no function `handler`");
        }
        self.handler.set(handler);
        self.report_rejected();
        Ok(())
    }

    fn handle(&self, event: &Event, answer: &mut Answer<'_>) -> Result<(), Refusal> {
        self.with_call(|call| {
            *call = Call {
                chooses_origin: !event.is_response,
                query: event.has_query.then(|| event.query.to_vec()),
                edge_location: event.edge_location.to_vec(),
                ..Call::default()
            };
        });
        let objects = event::objects(self, event)?;
        let mut result = js::call(self.ctx, self.handler.get(), js::JS_UNDEFINED, &mut [objects.event])?;
        // SAFETY: a value of the engine.
        if self.dialect == Dialect::Two && unsafe { q::JS_IsPromise(result) } {
            result = self.settled(result)?;
        }
        self.run_jobs()?;
        result::write(self, &objects, result, answer)?;
        self.report_rejected();
        Ok(())
    }

    /// Runs what waits until a promise is settled.
    fn settled(&self, promise: Value) -> Result<Value, Refusal> {
        loop {
            // SAFETY: a promise of this context.
            match unsafe { q::JS_PromiseState(self.ctx, promise) } {
                q::JSPromiseStateEnum_JS_PROMISE_FULFILLED => {
                    // SAFETY: as above.
                    return Ok(unsafe { q::JS_PromiseResult(self.ctx, promise) });
                }
                q::JSPromiseStateEnum_JS_PROMISE_REJECTED => {
                    self.with_call(|call| call.rejected.retain(|rejected| !js::same(*rejected, promise)));
                    // SAFETY: as above; the engine takes the reason.
                    unsafe { q::JS_Throw(self.ctx, q::JS_PromiseResult(self.ctx, promise)) };
                    return Err(Refusal::Thrown);
                }
                _ if self.run_job()? => {}
                _ => {
                    js::throw_error(self.ctx, "the function waits for a promise that nothing will settle");
                    return Err(Refusal::Thrown);
                }
            }
        }
    }

    fn run_jobs(&self) -> Js<()> {
        while self.run_job()? {}
        Ok(())
    }

    /// Runs the next job, if there is one.
    fn run_job(&self) -> Js<bool> {
        let mut ctx = std::ptr::null_mut();
        // SAFETY: the runtime is alive, and no JavaScript is running.
        match unsafe { q::JS_ExecutePendingJob(q::JS_GetRuntime(self.ctx), &mut ctx) } {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Thrown),
        }
    }

    /// Tells the log of promises that were rejected without anybody noticing.
    fn report_rejected(&self) {
        for promise in self.with_call(|call| std::mem::take(&mut call.rejected)) {
            // SAFETY: a promise of this context.
            let reason = unsafe { q::JS_PromiseResult(self.ctx, promise) };
            crate::host::line(&format!("unhandled rejection of a promise: {}", error::describe(self.ctx, reason)));
        }
    }
}

impl Constants {
    fn new(ctx: Ctx) -> Js<Constants> {
        Ok(Constants {
            version: js::string(ctx, b"1.0")?,
            viewer_request: js::string(ctx, b"viewer-request")?,
            viewer_response: js::string(ctx, b"viewer-response")?,
            get: js::string(ctx, b"GET")?,
            raw_query_string: js::function(ctx, c"rawQueryString", 0, raw_query_string)?,
        })
    }
}

/// `request.rawQueryString()`: undefined where the URL has no `?`.
unsafe extern "C" fn raw_query_string(ctx: Ctx, _: Value, _: i32, _: *mut Value) -> Value {
    // SAFETY: called by JavaScript of an engine.
    let query = unsafe { Engine::of(ctx) }.with_call(|call| call.query.clone());
    js::returned(query.map_or(Ok(js::JS_UNDEFINED), |query| js::string(ctx, &query)))
}

/// Remembers promises that are rejected with nobody to take care, and forgets them when somebody does.
unsafe extern "C" fn track(ctx: Ctx, promise: Value, _: Value, is_handled: bool, _: *mut std::ffi::c_void) {
    /// More than that nobody reads.
    const REJECTED: usize = 8;
    // SAFETY: called by the engine while it runs JavaScript.
    unsafe { Engine::of(ctx) }.with_call(|call| match is_handled {
        true => call.rejected.retain(|rejected| !js::same(*rejected, promise)),
        false if call.rejected.len() < REJECTED => call.rejected.push(js::dup(ctx, promise)),
        false => {}
    });
}

#[cfg(target_arch = "wasm32")]
fn runtime() -> Option<*mut q::JSRuntime> {
    // SAFETY: the functions allocate as the engine expects.
    let runtime = unsafe { q::JS_NewRuntime2(&crate::alloc::FUNCTIONS, std::ptr::null_mut()) };
    (!runtime.is_null()).then_some(runtime)
}

/// In tests with the C library's memory, as much as the instance has.
#[cfg(not(target_arch = "wasm32"))]
fn runtime() -> Option<*mut q::JSRuntime> {
    // SAFETY: a new runtime.
    unsafe {
        let runtime = q::JS_NewRuntime();
        q::JS_SetMemoryLimit(runtime, 4 * 1024 * 1024);
        (!runtime.is_null()).then_some(runtime)
    }
}
