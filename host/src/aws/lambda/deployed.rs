//! A version of a function that can be called, or will be: what was asked for, and the revision that was built of it.
//!
//! A revision is built when the version is made, and again by the first call after a restart, or after it was let go for others
//! (`built`). Whoever finds none waits for the lane (`lane`); one thread builds, the others find what it has built.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;

use crate::aws::authorization::Authority;
use crate::aws::lambda::code_folders::{CodeFolders, HotFiles, look};
use crate::aws::lambda::configuration::{Configuration, milliseconds};
use crate::aws::lambda::layer_record;
use crate::aws::lambda::resolved::ReferencedValues;
use crate::aws::lambda::runtime::{Runner, runner};
use crate::aws::lambda::vpc;
use crate::aws::parameters::ParameterStore;
use crate::aws::secrets::Secrets;
use crate::function::build::{Builder, CodeFile, DeployError};
use crate::function::call::HandlerError;
use crate::function::concurrency::account::Places;
use crate::function::revision::Revision;
use crate::function::spec::Spec;
use crate::limits::lambda::{CALLS, CREDENTIAL_S, IDLE_S, MEMORY_MB_PER_CPU};
use crate::limits::{Compiling, InstancePolicy, Limit, Limits, Profile};
use crate::network::{Grants, Vpcs};
use crate::runtime::component_in;
use crate::store::Store;
use crate::telemetry::HeldBytes;
use crate::wasm::compile::ComponentSource;
use crate::wasm::init::InitError;

/// What functions of the API are built with.
pub struct Foundry {
    /// Gives functions the credentials of their roles.
    pub authority: Arc<Authority>,
    /// What references in environments are resolved from.
    pub secrets: Arc<Secrets>,
    pub parameters: Arc<ParameterStore>,
    /// Where they find the APIs.
    pub endpoint: SocketAddr,
    pub builder: Arc<Builder>,
    pub store: Arc<Store>,
    pub account: crate::account::Account,
    pub compiling: Compiling,
    /// Where functions may connect to that are attached to no VPC. The API itself is not among them.
    pub grants: Grants,
    /// Where code is, besides in the store.
    pub folders: CodeFolders,
    /// What functions can be attached to.
    pub vpcs: Vpcs,
    /// Threads that call functions, each with instances of its own.
    pub workers: usize,
}

/// See the module.
pub struct Deployed {
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    pub configuration: Configuration,
    /// Environments that are ready before anybody calls, and places for calls that nobody else takes.
    pub provisioned: u32,
    pub places: Places,
    /// The end of the name of its log streams.
    pub stream: String,
    building: Mutex<()>,
    revision: ArcSwapOption<BuiltRevision>,
    /// How files that are reloaded looked before they were read.
    read: Mutex<Option<HotFiles>>,
    last_called_ms: AtomicU64,
    /// Somebody has asked for one with new credentials.
    renewing: AtomicBool,
}

struct BuiltRevision {
    revision: Arc<Revision>,
    since: Instant,
    /// Of one that the API has built.
    bytes: OnceLock<HeldBytes>,
}

impl Deployed {
    pub fn new(name: &str, version: &str, configuration: Configuration, provisioned: u32) -> Arc<Deployed> {
        let places = Places::new(provisioned);
        let (building, revision, renewing) = (Mutex::default(), ArcSwapOption::empty(), AtomicBool::new(false));
        let last_called_ms = AtomicU64::default();
        let (name, version) = (name.to_owned(), version.to_owned());
        let stream = uuid::Uuid::new_v4().simple().to_string();
        Arc::new(Deployed {
            name,
            version,
            configuration,
            provisioned,
            places,
            stream,
            building,
            revision,
            read: Mutex::default(),
            last_called_ms,
            renewing,
        })
    }

    /// Of a revision that somebody else has built, and builds anew.
    pub fn of_revision(name: &str, configuration: Configuration, revision: Arc<Revision>) -> Arc<Deployed> {
        let built = BuiltRevision { revision, since: Instant::now(), bytes: OnceLock::new() };
        Arc::new(Deployed {
            name: name.to_owned(),
            version: "$LATEST".to_owned(),
            configuration,
            provisioned: 0,
            places: Places::new(0),
            stream: uuid::Uuid::new_v4().simple().to_string(),
            building: Mutex::default(),
            revision: ArcSwapOption::from_pointee(built),
            read: Mutex::default(),
            last_called_ms: AtomicU64::default(),
            // It has no credentials that would have to be renewed.
            renewing: AtomicBool::new(true),
        })
    }

    /// What was built, if anything was.
    pub fn revision(&self) -> Option<Arc<Revision>> {
        self.revision.load().as_ref().map(|built| built.revision.clone())
    }

    /// What its calls are held to.
    pub fn limits(&self) -> Limits {
        let wanted = || limits(&self.configuration).unwrap_or_else(|_| Limits::defaults(Profile::Worker));
        self.revision().map_or_else(wanted, |revision| revision.limits().clone())
    }

    /// What was built is counted, once, until it is let go of.
    pub fn count(&self, count: impl FnOnce() -> HeldBytes) {
        if let Some(built) = self.revision.load().as_ref() {
            built.bytes.get_or_init(count);
        }
    }

    /// Lets go of what was built, if there is anything. Calls that run on it go on.
    pub fn forget(&self) -> bool {
        self.revision.swap(None).is_some()
    }

    /// A call begins.
    pub fn called(&self, now: SystemTime) {
        self.last_called_ms.store(milliseconds(now), Relaxed);
    }

    /// When it was last called, or made: milliseconds since 1970.
    pub fn last_called_ms(&self) -> u64 {
        self.last_called_ms.load(Relaxed)
    }

    /// How its environments come about, as Lambda calls it.
    pub fn initialization(&self) -> &'static str {
        if self.configuration.snap_start == "PublishedVersions" && self.version != "$LATEST" {
            "snap-start"
        } else if self.provisioned > 0 {
            "provisioned-concurrency"
        } else {
            "on-demand"
        }
    }

    /// Whether the credentials that its environments have begin to be old; says so once.
    pub fn is_due(&self, now: Instant) -> bool {
        let is_old = |built: Instant| now.saturating_duration_since(built) > Duration::from_secs(CREDENTIAL_S / 2);
        self.revision.load().as_ref().is_some_and(|built| is_old(built.since)) && !self.renewing.swap(true, Relaxed)
    }

    /// Whether files that are reloaded look different from when they were read. Blocks for the disk.
    pub fn has_changed(&self) -> bool {
        let Some(files) = &self.configuration.hot_reload else { return false };
        let read = self.read();
        read.as_ref().is_some_and(|read| *read != look(files))
    }

    fn read(&self) -> MutexGuard<'_, Option<HotFiles>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be built again.
    pub fn again(&self) -> Arc<Deployed> {
        Deployed::new(&self.name, &self.version, self.configuration.clone(), self.provisioned)
    }

    /// Builds the revision, unless there is one. Blocks for INIT, or for a compiler.
    pub fn build(&self, foundry: &Foundry) -> Result<Arc<Revision>, DeployError> {
        let _one_at_a_time = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(revision) = self.revision() {
            return Ok(revision);
        }
        let code = self.code(foundry)?;
        let spec = self.spec(foundry, &code)?;
        let revision = Arc::new(foundry.builder.build(spec, &code, foundry.compiling)?);
        let built = BuiltRevision { revision: revision.clone(), since: Instant::now(), bytes: OnceLock::new() };
        self.revision.store(Some(Arc::new(built)));
        self.called(SystemTime::now());
        Ok(revision)
    }

    fn code(&self, foundry: &Foundry) -> Result<CodeFile, DeployError> {
        let mut archive = foundry.store.blobs().path(self.configuration.code.digest, "zip");
        if let Some(files) = &self.configuration.hot_reload {
            // The configuration may name other folders since the function was made.
            archive = foundry.folders.hot(files).map_err(std::io::Error::other)?;
            *self.read() = Some(look(&archive));
        }
        match runner(&self.configuration.runtime) {
            Some(Runner::Source(language)) => {
                let layers = self.layers(foundry)?;
                foundry.builder.package(language, &archive, &self.configuration.handler, &layers)
            }
            Some(Runner::Component) => {
                let bytes = component_in(&if archive.is_dir() { archive.join("bootstrap.wasm") } else { archive })?;
                Ok(CodeFile::Component(ComponentSource::from_bytes(&bytes)?))
            }
            // It was there when the function was made.
            None => Err(std::io::Error::other(format!("nothing runs `{}`", self.configuration.runtime)).into()),
        }
    }

    fn layers(&self, foundry: &Foundry) -> Result<Vec<PathBuf>, DeployError> {
        let of = |arn: &String| {
            let layer = layer_record::find(&foundry.store, &foundry.account, arn).map_err(std::io::Error::other)?;
            let layer = layer.ok_or_else(|| std::io::Error::other(format!("the layer {arn} is gone")))?;
            Ok(foundry.store.blobs().path(layer.code.digest, "zip"))
        };
        self.configuration.layers.iter().map(of).collect()
    }

    fn spec(&self, foundry: &Foundry, code: &CodeFile) -> Result<Spec, DeployError> {
        let configuration = &self.configuration;
        let limits = limits(configuration).map_err(std::io::Error::other)?;
        let attachment = vpc::attachment(&foundry.vpcs, configuration).map_err(std::io::Error::other)?;
        let mut grants = if attachment.is_some() { Grants::default() } else { foundry.grants.clone() };
        // AWS's SDKs in functions reach the APIs, whose callers prove who they are.
        grants.add_address(foundry.endpoint);
        Ok(Spec {
            limits,
            policy: InstancePolicy::Reuse { max_calls: CALLS, max_idle: Duration::from_secs(IDLE_S) },
            min_warm: Some(usize::try_from(self.provisioned).unwrap_or(usize::MAX).div_ceil(foundry.workers.max(1))),
            // A processor for 1,769 MB.
            cpu_share: configuration.memory_mb.saturating_mul(1_000) / MEMORY_MB_PER_CPU,
            environment: Arc::new(self.environment(foundry)?),
            rests: false,
            own_init: configuration.own_init,
            grants,
            attachment: attachment.map(Arc::new),
            ..Spec::new(&self.name, code.id(), Profile::Worker)
        })
    }

    /// The function's own variables, and those that Lambda sets
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
    fn environment(&self, foundry: &Foundry) -> Result<BTreeMap<String, String>, DeployError> {
        let account = &foundry.account;
        let configuration = &self.configuration;
        let mut environment = self.own_variables(foundry)?;
        environment.entry("TZ".to_owned()).or_insert_with(|| ":UTC".to_owned());
        environment.entry("LANG".to_owned()).or_insert_with(|| "en_US.UTF-8".to_owned());
        for (name, value) in [
            ("_HANDLER", configuration.handler.clone()),
            ("AWS_DEFAULT_REGION", account.region.clone()),
            ("AWS_REGION", account.region.clone()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", configuration.memory_mb.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", self.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", self.version.clone()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", self.initialization().to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", configuration.log_group(&self.name)),
            ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ] {
            environment.insert(name.to_owned(), value);
        }
        if configuration.logging.format == "JSON" {
            let level = configuration.logging.application_level.as_deref().unwrap_or("INFO");
            for (name, value) in [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", level)] {
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        // A role that is not there gives nothing.
        if let Ok(credential) =
            foundry.authority.function_credential(&configuration.role, &self.name, CREDENTIAL_S, SystemTime::now())
        {
            for (name, value) in [
                ("AWS_ACCESS_KEY_ID", credential.access_key),
                ("AWS_SECRET_ACCESS_KEY", credential.secret_key),
                ("AWS_SESSION_TOKEN", credential.session_token),
            ] {
                environment.insert(name.to_owned(), value);
            }
        }
        environment.entry("AWS_ENDPOINT_URL".to_owned()).or_insert_with(|| format!("http://{}", foundry.endpoint));
        if let Some(Runner::Source(_)) = runner(&configuration.runtime) {
            environment.insert("AWS_EXECUTION_ENV".to_owned(), format!("AWS_Lambda_{}", configuration.runtime));
        }
        Ok(environment)
    }

    /// The function's own variables, with values in the place of references. What cannot be resolved is a failure of INIT: each
    /// call is told so, and tries again.
    fn own_variables(&self, foundry: &Foundry) -> Result<BTreeMap<String, String>, DeployError> {
        let references = ReferencedValues {
            authority: &foundry.authority,
            secrets: &foundry.secrets,
            parameters: &foundry.parameters,
            role: &self.configuration.role,
            session: &self.name,
        };
        let Some(variables) = &self.configuration.environment else { return Ok(BTreeMap::new()) };
        references.resolve(variables).map_err(|error| {
            let (error_type, message) = ("Runtime.EnvironmentUnresolved".to_owned(), error.to_string());
            InitError::Handler(HandlerError { error_type, message, stack_trace: Vec::new() }).into()
        })
    }
}

/// What a configuration's settings are as limits.
fn limits(configuration: &Configuration) -> Result<Limits, crate::limits::OverMaximum> {
    let timeout_s = u64::from(configuration.timeout_s);
    let instances = Limit::Instances.maximum(Profile::Worker);
    Limits::defaults(Profile::Worker)
        .with(Limit::DeadlineMs, timeout_s * 1_000)?
        .with(Limit::CpuUs, timeout_s * 1_000_000)?
        .with(Limit::MemoryBytes, u64::from(configuration.memory_mb) << 20)?
        .with(Limit::EphemeralStorageBytes, u64::from(configuration.ephemeral_storage_mb) << 20)?
        .with(Limit::ReplyBytes, crate::limits::invoke::REPLY_BYTES)?
        .with(Limit::Instances, instances)?
        // Concurrency is bounded above (`function::concurrency::account`): nobody waits.
        .with(Limit::Queue, 0)
}
