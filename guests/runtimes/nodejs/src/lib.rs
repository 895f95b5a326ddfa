//! The Node-style Runtime: runs a function's JavaScript as Node.js does on AWS Lambda.
//!
//! QuickJS and Node's modules are those of the crate `wasm-rquickjs` (`build.rs`); `runtime.js` is what Lambda's own runtime
//! client is there: it loads the handler, and makes of an event a call of it. Here the two meet the world
//! `streaming-function-runtime`.
//!
//!     init ─► engine, modules, runtime.js, the function's code ─► nothing of the host's is held ─► snapshot
//!     snapshot ─► handle: clocks and random numbers anew ─► handle, handle, … (one at a time; what is pending stays)

include!(concat!(env!("OUT_DIR"), "/skeleton/src/skeleton.rs"));

mod source_map;

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use rquickjs::{CatchResultExt as _, Ctx, Function, Object, Persistent, Promise, TypedArray, Value};

use edgeward::function::response_stream;
use exports::edgeward::function::handler::{self, Context, Error};
use exports::edgeward::runtime::code;
use internal::runtime_services::with_component_context;

wit_bindgen::generate!({
    path: ["../../../wit/edge", "../../../wit/function", "../../../wit/runtime"],
    world: "edgeward:runtime/streaming-function-runtime",
    generate_all,
});

// Names that the modules expect of a generated crate. `runtime.js` is called as Lambda's own client is, which stack traces tell.
static JS_EXPORT_MODULE_NAME: &str = "/var/runtime/index.mjs";
fn js_export_module() -> &'static str {
    include_str!("runtime.js")
}
type GetModuleFn = Box<dyn (Fn() -> String) + Send + Sync>;
static JS_ADDITIONAL_MODULES: LazyLock<Vec<(&str, GetModuleFn)>> = LazyLock::new(Vec::new);

unsafe extern "C" {
    fn __wasilibc_reset_preopens();
    fn __wasilibc_init_stdio() -> i32;
    fn close(number: i32) -> i32;
}

/// What QuickJS takes of the stack in memory before it throws a RangeError. The host's own stack, of 1 MiB, ends later: a call of
/// a function takes 800 bytes there and 260 here.
const JS_STACK_BYTES: usize = 256 << 10;
/// How long INIT waits for requests that the code has begun and not awaited.
const SETTLE_AT_MOST: Duration = Duration::from_secs(3);

thread_local! {
    /// The exports of `runtime.js`.
    static CLIENT: RefCell<Option<Persistent<Object<'static>>>> = const { RefCell::new(None) };
    static IS_FROZEN: Cell<bool> = const { Cell::new(false) };
}

struct Runtime;

export!(Runtime);

impl code::Guest for Runtime {
    fn init(handler: String) -> Result<(), Error> {
        // An empty package has no folder to be in.
        let _ = std::env::set_current_dir("/var/task");
        let state = internal::get_js_state();
        let started = wstd::runtime::block_on(state.ctx.with(|ctx| start(&ctx).catch(&ctx).map_err(|error| error.to_string())));
        started.map_err(|message| failure(&message))?;
        let loaded = call("init", [handler, String::new()]);
        freeze();
        loaded.map(|_| ())
    }
}

impl handler::Guest for Runtime {
    fn handle(event: Vec<u8>, context: Context) -> Result<Vec<u8>, Error> {
        if IS_FROZEN.replace(false) {
            wstd::runtime::thaw();
            internal::restore_runtime_state();
        }
        let event = String::from_utf8(event).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        call("handle", [event, describe(&context)])
    }
}

/// Takes hold of `runtime.js`, and gives it what JavaScript cannot do.
fn start(ctx: &Ctx<'_>) -> rquickjs::Result<()> {
    let client: Object = ctx.globals().get("userModule")?;
    ctx.globals().remove("userModule")?;
    let setup: Function = client.get("setup")?;
    let exit = Function::new(ctx.clone(), |code: i32| -> () { std::process::exit(code) })?;
    let position = Function::new(ctx.clone(), |file: String, line: u32, column: i32| {
        source_map::position(&file, line, column).map(rquickjs::convert::List)
    })?;
    let set_content_type = Function::new(ctx.clone(), |content_type: String| response_stream::set_content_type(&content_type))?;
    let write = Function::new(ctx.clone(), |bytes: TypedArray<'_, u8>| {
        response_stream::write(&wrappers::copy_typed_array_bytes(&bytes).unwrap_or_default());
    })?;
    setup.call::<_, ()>((exit, position, set_content_type, write))?;
    CLIENT.set(Some(Persistent::save(ctx, client)));
    Ok(())
}

/// Calls an export of `runtime.js`, and runs the event loop until there is an answer: the reply, or a description of an error.
fn call(name: &'static str, args: [String; 2]) -> Result<Vec<u8>, Error> {
    // When nothing is left that could bring the answer, the client knows what that means.
    let answer = wstd::runtime::run(answer(name, args)).or_else(|| wstd::runtime::run(answer("exhausted", Default::default())));
    answer.unwrap_or_else(|| Err(failure("the function waits for nothing")))
}

async fn answer(name: &'static str, [first, second]: [String; 2]) -> Result<Vec<u8>, Error> {
    let state = internal::get_js_state();
    with_component_context(&state.ctx, async |ctx| {
        let answer = async {
            let client = CLIENT.with_borrow(Clone::clone).expect("`start` has run").restore(&ctx)?;
            let function: Function = client.get(name)?;
            let promise: Promise = function.call((first, second))?;
            let answer = promise.into_future::<Value>().await?;
            if let Some(text) = answer.as_string() {
                return Ok(Ok(text.to_string()?.into_bytes()));
            }
            let error = Object::from_value(answer)?;
            if let Some(bytes) = error.as_typed_array::<u8>().and_then(wrappers::copy_typed_array_bytes) {
                return Ok(Ok(bytes));
            }
            Ok(Err(Error {
                error_type: error.get("errorType")?,
                error_message: error.get("errorMessage")?,
                stack_trace: error.get("trace")?,
            }))
        };
        answer.await.catch(&ctx).unwrap_or_else(|error| Err(failure(&error.to_string())))
    })
    .await
}

/// Ends INIT: nothing may be held that the host would have to keep for the snapshot.
fn freeze() {
    let state = internal::get_js_state();
    wstd::runtime::block_on(async {
        let settled = std::future::poll_fn(|cx| {
            // Also runs what has become ready.
            let _ = std::pin::pin!(state.rt.idle()).poll(cx);
            if wstd::runtime::has_io() { Poll::Pending } else { Poll::Ready(()) }
        });
        let settled = std::pin::pin!(settled);
        futures::future::select(settled, std::pin::pin!(wstd::runtime::sleep(SETTLE_AT_MOST))).await;
        state.rt.run_gc().await;
    });
    source_map::forget();
    wstd::runtime::freeze();
    // SAFETY: functions of wasi-libc, called when nothing uses a file. They close the streams of stdin, stdout and stderr, whose
    // numbers are taken anew in this order, and then the mounted folders, which the next use of one opens anew: `close` would
    // open them as well.
    unsafe {
        for number in [2, 1, 0] {
            close(number);
        }
        __wasilibc_init_stdio();
        __wasilibc_reset_preopens();
    }
    IS_FROZEN.set(true);
}

/// The context of a call for `runtime.js`.
fn describe(context: &Context) -> String {
    serde_json::json!({
        "awsRequestId": context.request_id,
        "functionName": context.function_name,
        "functionVersion": context.function_version,
        "invokedFunctionArn": context.invoked_function_arn,
        "memoryLimitInMB": context.memory_limit_mb.to_string(),
        "deadline": context.deadline_ms,
        "logGroupName": context.log_group_name,
        "logStreamName": context.log_stream_name,
        "clientContext": context.client_context,
        "traceId": context.trace_id,
    })
    .to_string()
}

/// A fault of the Runtime's own.
fn failure(message: &str) -> Error {
    Error { error_type: "Runtime.Unknown".to_owned(), error_message: message.to_owned(), stack_trace: Vec::new() }
}
