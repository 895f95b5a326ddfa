//! Bytes and a specification become a revision, whose instances are made and warm; or an error with a code.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::function::concurrency::throttle::UtilizationThrottle;
use crate::function::pool::ViewerPool;
use crate::function::revision::{Code, Revision};
use crate::function::spec::{CodeDigest, CodeId, Spec};
use crate::function::worker_pool::WorkerPool;
use crate::language::Language;
use crate::limits::init::PACKAGE_BYTES;
use crate::limits::{Compiling, InstancePolicy, Limit, Limits, Profile, shelf};
use crate::runtime::{MissingRuntime, Package, PackageCode, PackageError, PackageStore, RuntimeFolder, Runtimes, SourceCode};
use crate::telemetry::{FunctionMetrics, Telemetry};
use crate::wasm::aot::MappedCode;
use crate::wasm::compile::{self, CompileError, Compiler, ComponentSource, HttpVersion, Inspection};
use crate::wasm::egress::Egress;
use crate::wasm::engine::Engines;
use crate::wasm::init::InitError;
use crate::wasm::state::KeyValueStore;
use crate::wasm::viewer::ViewerCode;
use crate::wasm::worker::WorkerCode;
use crate::wasm::worker::init::initial_state;
use crate::wasm::worker::state::{MountedFolder, Surroundings};

/// Why a component cannot be deployed with its specification.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("its bytes have the digest {found}, and not the {wanted} that is to be deployed")]
    OtherCode { wanted: CodeDigest, found: CodeDigest },
    #[error("{}", .0.told())]
    Runtime(#[from] MissingRuntime),
    /// INIT of a source has failed.
    #[error(transparent)]
    Init(#[from] InitError),
    #[error("a source of {0} can be a viewer hook, and not run at or as an origin; take a component there, or a function")]
    SourceAtOrigin(Language),
    #[error("a source of {0} is a function, which can be an origin or a hook there, and no viewer hook")]
    FunctionAtViewer(Language),
    #[error("its files: {0}")]
    Package(#[from] PackageError),
    #[error("its layers: {0}")]
    Layers(PackageError),
    #[error("{}", .0.told())]
    Code(#[from] CompileError),
    /// No instance of it starts.
    #[error(transparent)]
    Start(#[from] Failure),
}

impl DeployError {
    /// One word, for metrics and for programs. It stays what it is when the message changes.
    pub fn code(&self) -> &'static str {
        match self {
            DeployError::Unreadable(_) => "read",
            DeployError::OtherCode { .. } => compile::CompileErrorKind::Changed.name(),
            DeployError::Code(error) => error.reason().name(),
            DeployError::Runtime(_) => "runtime",
            DeployError::Init(InitError::Runtime(error)) => error.reason().name(),
            DeployError::Init(_) => "init",
            DeployError::SourceAtOrigin(_) | DeployError::FunctionAtViewer(_) => "profile",
            DeployError::Package(_) | DeployError::Layers(_) => "package",
            DeployError::Start(_) => "start",
        }
    }
}

/// The bytes of a function.
pub enum CodeFile {
    Component(ComponentSource),
    Source(SourceCode),
    Package(PackageCode),
}

impl CodeFile {
    /// Without the Runtime that runs it, and without layers.
    pub fn bytes(&self) -> u64 {
        match self {
            CodeFile::Component(component) => component.bytes,
            CodeFile::Source(source) => source.text.len() as u64,
            CodeFile::Package(code) => code.package.bytes,
        }
    }

    pub fn id(&self) -> CodeId {
        match self {
            CodeFile::Component(component) => CodeId::Component(CodeDigest(component.sha256)),
            CodeFile::Source(SourceCode { language, runtime, file, text }) => CodeId::Source {
                language: *language,
                runtime: CodeDigest(runtime.component.sha256),
                source: CodeDigest(Sha256::digest(text).into()),
                layers: None,
                file: file.clone(),
            },
            CodeFile::Package(PackageCode { language, runtime, package, layers, handler }) => CodeId::Source {
                language: *language,
                runtime: CodeDigest(runtime.component.sha256),
                source: CodeDigest(package.sha256),
                layers: layers.as_ref().map(|layers| CodeDigest(layers.sha256)),
                file: handler.clone(),
            },
        }
    }
}

/// Where a function finds its files, and those of its layers.
const TASK: &str = "/var/task";
const LAYERS: &str = "/opt";
/// Where Node.js finds the modules of layers, in Lambda's order.
const NODE_PATH: &str = "/opt/nodejs/node24/node_modules:/opt/nodejs/node_modules";

/// Where compiled files and the packages of functions are kept.
pub struct BuildFolders<'a> {
    pub compiled: &'a Path,
    pub packages: &'a Path,
}

/// What every revision is built with. One for the process: engines reserve much address space.
pub struct Builder {
    /// Threads that call revisions.
    lanes: usize,
    engines: Arc<Engines>,
    runtimes: Runtimes,
    packages: PackageStore,
    /// For what functions write to `/tmp`; nothing there has a name.
    tmp_folder: Arc<Path>,
    telemetry: Arc<Telemetry>,
}

impl Builder {
    /// `lanes` is the number of threads that call revisions; `compiler` makes the compiled files.
    pub fn new(
        lanes: usize,
        folders: BuildFolders<'_>,
        compiler: Compiler,
        runtimes: RuntimeFolder,
        telemetry: Arc<Telemetry>,
    ) -> anyhow::Result<Builder> {
        let engines = Arc::new(Engines::new(folders.compiled, compiler).map_err(|error| anyhow::anyhow!("{error:#}"))?);
        let (runtimes, packages) = (Runtimes::new(runtimes), PackageStore::at(folders.packages.join("packages")));
        Ok(Builder { lanes, engines, runtimes, packages, tmp_folder: folders.packages.into(), telemetry })
    }

    /// The files of a function and of its layers, which are copied, with the Runtime that is installed for its language.
    pub fn package(&self, language: Language, files: &Path, handler: &str, layers: &[PathBuf]) -> Result<CodeFile, DeployError> {
        let runtime = self.runtimes.installed(language)?;
        let package = Arc::new(self.packages.keep(files)?);
        let sources: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
        let layers = match &sources[..] {
            [] => None,
            sources => Some(self.packages.keep_merged(sources, PACKAGE_BYTES - package.bytes).map_err(DeployError::Layers)?),
        };
        let (layers, handler) = (layers.map(Arc::new), handler.to_owned());
        Ok(CodeFile::Package(PackageCode { language, runtime, package, layers, handler }))
    }

    /// A source, with the Runtime that is installed for its language.
    pub fn source(&self, language: Language, file: &Path, text: String) -> Result<CodeFile, MissingRuntime> {
        self.runtimes.code(language, file, text).map(CodeFile::Source)
    }

    /// Compiles the Runtime of a language of functions, so that the first function need not wait for that. Blocks for as long as
    /// it takes.
    pub fn prepare(&self, language: Language, bounds: Compiling) -> Result<(), DeployError> {
        let runtime = self.runtimes.installed(language)?;
        let limits = Limits::defaults(Profile::Worker);
        self.runtimes.compiled(&self.engines, language, &runtime.component, &limits, bounds)?;
        Ok(())
    }

    /// Compiles the component, unless that was done before, or runs INIT of the source; and starts instances. Blocks for as
    /// long as that takes: never call it on a thread that serves.
    ///
    /// # Errors
    /// All that is wrong with the code under this specification.
    pub fn build(&self, spec: Spec, code: &CodeFile, bounds: Compiling) -> Result<Revision, DeployError> {
        let found = code.id();
        if spec.code != found {
            return Err(DeployError::OtherCode { wanted: spec.code.digest(), found: found.digest() });
        }
        let metrics = Arc::new(self.telemetry.function(&spec.name));
        let code_bytes = code.bytes();
        let (code, inspection) = match code {
            CodeFile::Component(component) => self.component(&spec, component, bounds, &metrics)?,
            CodeFile::Source(source) => self.frozen(&spec, source, bounds, &metrics)?,
            CodeFile::Package(package) => self.package_function(&spec, package, bounds, &metrics)?,
        };
        let deployed = SystemTime::now();
        let throttle = UtilizationThrottle::new(spec.rests);
        Ok(Revision { spec, deployed, code_bytes, inspection, metrics, throttle, code })
    }

    fn component(
        &self,
        spec: &Spec,
        component: &ComponentSource,
        bounds: Compiling,
        metrics: &Arc<FunctionMetrics>,
    ) -> Result<(Code, Inspection), DeployError> {
        let compiled = compile::compiled(&self.engines, component, &spec.limits, bounds)?;
        let code = match spec.profile() {
            Profile::Viewer => {
                let code = ViewerCode::new(&self.engines, &compiled, &spec.limits, key_values(spec))?;
                Code::Viewer(self.viewer_pool(spec, code, shelf::VIEWER, metrics)?)
            }
            Profile::Worker => {
                let surroundings = self.surroundings(spec, Arc::default(), metrics);
                let code = WorkerCode::new(&self.engines, &compiled, None, &spec.limits, surroundings)?;
                Code::Worker(self.worker_pool(spec, code, compiled.inspection.http, metrics)?)
            }
        };
        MappedCode::Component(&compiled.component).release();
        Ok((code, compiled.inspection))
    }

    fn frozen(
        &self,
        spec: &Spec,
        source: &SourceCode,
        bounds: Compiling,
        metrics: &Arc<FunctionMetrics>,
    ) -> Result<(Code, Inspection), DeployError> {
        if spec.profile() != Profile::Viewer {
            return Err(DeployError::SourceAtOrigin(source.language));
        }
        let (runtime, code, log) = self.runtimes.function(&self.engines, source, &spec.limits, bounds, key_values(spec))?;
        tell_log(spec, metrics, &log);
        // An instance of a Runtime takes half a megabyte: until the first call there is none.
        Ok((Code::Viewer(self.viewer_pool(spec, code, 0, metrics)?), runtime.inspection.clone()))
    }

    /// A function whose instances begin as INIT of its package has ended.
    fn package_function(
        &self,
        spec: &Spec,
        code: &PackageCode,
        bounds: Compiling,
        metrics: &Arc<FunctionMetrics>,
    ) -> Result<(Code, Inspection), DeployError> {
        if spec.profile() != Profile::Worker {
            return Err(DeployError::FunctionAtViewer(code.language));
        }
        let component = &code.runtime.component;
        let runtime = self.runtimes.compiled(&self.engines, code.language, component, &spec.limits, bounds)?;
        let library = code.runtime.library.clone().map(|(host, guest)| MountedFolder { host, guest, kept: None });
        let mounted = |package: Arc<Package>, guest| MountedFolder { host: package.folder.clone(), guest, kept: Some(package) };
        let layers = code.layers.clone().map(|layers| mounted(layers, LAYERS));
        let modules = code.layers.as_ref().filter(|_| code.language == Language::Nodejs24).and_then(node_modules);
        let folders = [mounted(code.package.clone(), TASK)].into_iter().chain(layers).chain(modules).chain(library).collect();
        let mut surroundings = self.surroundings(spec, folders, metrics);
        surroundings.environment = Arc::new(lambda_environment(spec, code));
        let worker = if spec.own_init {
            WorkerCode::with_own_init(&self.engines, &runtime, &code.handler, &spec.limits, surroundings)?
        } else {
            let init = initial_state(&self.engines, &runtime, &code.handler, &spec.limits, surroundings.clone());
            let state = block_on(init)?;
            tell_log(spec, metrics, &state.log);
            surroundings.tmp = state.tmp;
            WorkerCode::of_snapshot(&self.engines, &runtime, state.snapshot, &spec.limits, surroundings)?
        };
        let pool = self.worker_pool(spec, worker, runtime.inspection.http, metrics)?;
        Ok((Code::Worker(pool), runtime.inspection.clone()))
    }

    /// Without a promise of more, so many instances are ready for each lane.
    fn viewer_pool(
        &self,
        spec: &Spec,
        code: ViewerCode,
        ready: usize,
        metrics: &Arc<FunctionMetrics>,
    ) -> Result<Arc<ViewerPool>, DeployError> {
        if let Some(reason) = code.unrestorable() {
            tracing::info!(function = spec.name, reason, "instances cannot be restored; each call takes a new one");
        }
        let live_max = spec.limits.value(Limit::Instances);
        let pool = ViewerPool::new(code, spec.policy, spec.min_warm, live_max, self.lanes, metrics.clone());
        // At least one instance is made now: what fails to start must fail the deployment.
        pool.warm_up(ready)?;
        Ok(pool)
    }

    fn worker_pool(
        &self,
        spec: &Spec,
        code: WorkerCode,
        http: Option<HttpVersion>,
        metrics: &Arc<FunctionMetrics>,
    ) -> Result<Arc<WorkerPool>, DeployError> {
        let min_warm = spec.min_warm.unwrap_or(1);
        // A program runs once in its instance.
        let policy = if http == Some(HttpVersion::Cgi) { InstancePolicy::Fresh } else { spec.policy };
        let pool = WorkerPool::new(code, policy, min_warm, self.lanes, metrics.clone());
        block_on(pool.warm_up(min_warm))?;
        Ok(pool)
    }

    fn surroundings(&self, spec: &Spec, folders: Arc<[MountedFolder]>, metrics: &Arc<FunctionMetrics>) -> Surroundings {
        let connections = spec.limits.value(Limit::Connections);
        let egress = Egress::new(spec.grants.clone(), connections, metrics.clone()).attached(spec.attachment.clone());
        Surroundings {
            name: spec.name.as_str().into(),
            environment: spec.environment.clone(),
            key_values: key_values(spec),
            egress: Arc::new(egress),
            folders,
            tmp: None,
            tmp_folder: self.tmp_folder.clone(),
            cpu_share: spec.cpu_share,
        }
    }
}

/// The function's own variables, and those that Lambda's runtimes find
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>). There is no region.
fn lambda_environment(spec: &Spec, code: &PackageCode) -> BTreeMap<String, String> {
    let memory_mb = spec.limits.value(Limit::MemoryBytes) >> 20;
    let mut environment: BTreeMap<String, String> = [
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", code.language)),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name)),
        ("LAMBDA_TASK_ROOT", TASK.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // Python's Runtime looks there by itself.
    if let (Language::Nodejs24, Some(_)) = (code.language, &code.layers) {
        environment.insert("NODE_PATH".to_owned(), NODE_PATH.to_owned());
    }
    environment.extend(spec.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment
}

/// The modules of layers, where `import` finds them: on Lambda it has `NODE_PATH`, which Node.js has for `require` only.
fn node_modules(layers: &Arc<Package>) -> Option<MountedFolder> {
    let folders = ["nodejs/node24/node_modules", "nodejs/node_modules"].map(|folder| layers.folder.join(folder));
    let host = folders.into_iter().find(|folder| folder.is_dir())?;
    Some(MountedFolder { host, guest: "/node_modules", kept: Some(layers.clone()) })
}

/// What INIT has logged.
fn tell_log(spec: &Spec, metrics: &FunctionMetrics, log: &str) {
    if !log.is_empty() && metrics.may_speak() {
        tracing::info!(target: "edgeward::function", function = spec.name, "at deployment: {log}");
    }
}

fn key_values(spec: &Spec) -> Option<Arc<dyn KeyValueStore>> {
    spec.key_values.clone().map(|values| values as Arc<dyn KeyValueStore>)
}

/// Instances of workers start asynchronously, with timers. Whatever runtime the caller's thread belongs to
/// must not be blocked on, so this one has a thread of its own.
fn block_on<T: Send, E: From<Failure> + Send>(started: impl Future<Output = Result<T, E>> + Send) -> Result<T, E> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| Failure::Host(format!("no runtime to start it on: {error}")))?.block_on(started)
    };
    let ran = std::thread::scope(|scope| scope.spawn(run).join());
    ran.unwrap_or_else(|_| Err(Failure::Host("its start panicked".to_owned()).into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::function::call::{Call, HookCall};
    use crate::function::lane::WorkerLane;
    use crate::wasm::abi::Moment;
    use crate::wasm::engine::tests::engines;
    use crate::wasm::init;

    /// A viewer hook that counts its calls, in its memory, and answers with the count.
    pub(crate) fn counter(moment: Moment) -> Vec<u8> {
        let wat = r#"(component
  (core module $M
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "handle") (param i32 i32) (result i32)
      (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
      (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const 1))
      (i32.const 32)))
  (core instance $m (instantiate $M))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $m "handle") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/MOMENT@0.1.0" (instance $hook)))"#;
        wat::parse_str(wat.replace("MOMENT", moment.name())).unwrap()
    }

    /// On the engines of all tests.
    pub(crate) fn builder(telemetry: &Arc<Telemetry>) -> Builder {
        let runtimes = Runtimes::new(RuntimeFolder::at(Path::new("/nonexistent")));
        let packages = PackageStore::at(std::env::temp_dir().join("edgeward-test-packages"));
        let tmp_folder = std::env::temp_dir().into();
        Builder { lanes: 1, engines: engines().clone(), runtimes, packages, tmp_folder, telemetry: telemetry.clone() }
    }

    fn component(bytes: &[u8]) -> CodeFile {
        CodeFile::Component(ComponentSource::from_bytes(bytes).unwrap())
    }

    fn spec(code: &CodeFile) -> Spec {
        Spec::new("counter", code.id(), Profile::Viewer)
    }

    pub(crate) fn revision() -> Arc<Revision> {
        let source = component(&counter(Moment::ViewerRequest));
        Arc::new(builder(&Arc::new(Telemetry::new())).build(spec(&source), &source, Compiling::default()).unwrap())
    }

    #[test]
    fn a_deployment_that_fails_says_why_in_a_word_that_stays() {
        let builder = builder(&Arc::new(Telemetry::new()));
        let refused = |spec: Spec, code: &CodeFile| builder.build(spec, code, Compiling::default()).map(drop).unwrap_err();
        let source = component(&counter(Moment::ViewerRequest));
        let other = Spec { code: CodeId::Component(CodeDigest([7; 32])), ..spec(&source) };
        assert_eq!(refused(other, &source).code(), "changed");
        let worker = Spec::new("counter", source.id(), Profile::Worker);
        assert_eq!(refused(worker, &source).code(), "exports");
        let junk = component(b"junk");
        assert_eq!(refused(spec(&junk), &junk).code(), "invalid");
        let unreadable = DeployError::from(ComponentSource::open(Path::new("/nonexistent")).map(drop).unwrap_err());
        assert_eq!(unreadable.code(), "read");
        let start = DeployError::from(Failure::Trap("it does not start".to_owned()));
        assert_eq!((start.code(), start.to_string().as_str()), ("start", "trap: it does not start"));
        let missing = builder.source(Language::CloudfrontJs2, Path::new("f.js"), String::new()).map(drop).unwrap_err();
        assert_eq!(DeployError::from(missing).code(), "runtime");
    }

    /// A source of the Runtime of `wasm::init`'s tests.
    fn source(text: &str) -> CodeFile {
        let (folder, language) = (tempfile::tempdir().unwrap(), Language::CloudfrontJs2);
        let runtime = wat::parse_str(init::tests::RUNTIME).unwrap();
        std::fs::write(folder.path().join(language.files().runtime), runtime).unwrap();
        let runtimes = Runtimes::new(RuntimeFolder::at(folder.path()));
        CodeFile::Source(runtimes.code(language, Path::new("f.js"), text.to_owned()).unwrap())
    }

    #[test]
    fn a_source_is_deployed_or_refused_by_what_its_init_does() {
        let builder = builder(&Arc::new(Telemetry::new()));
        let built = |text: &str, profile: Profile| {
            let code = source(text);
            builder.build(Spec::new("source", code.id(), profile), &code, Compiling::default()).map(Arc::new)
        };
        let lane = WorkerLane::new(0);
        let call = |revision: &Arc<Revision>| {
            let called = revision.call(&lane, Call::Hook(HookCall::lent(Moment::ViewerRequest, b""))).inline();
            String::from_utf8(called.result.unwrap()[4..].to_vec()).unwrap()
        };
        let (one, other) = (built("a one", Profile::Viewer).unwrap(), built("a two", Profile::Viewer).unwrap());
        for _ in 0..5 {
            assert_eq!((call(&one).as_str(), call(&other).as_str()), ("b one", "b two"));
        }
        assert_eq!(one.moments(), [Moment::ViewerRequest]);
        assert_ne!(one.spec().code, other.spec().code);
        for (text, profile, code) in
            [("!no", Profile::Viewer, "init"), ("Loop", Profile::Viewer, "init"), ("a", Profile::Worker, "profile")]
        {
            let error = built(text, profile).map(drop).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
