//! The functions that the API has made: as they are kept, and as they stand; and beside them those that a file defines.
//!
//! One change at a time: it is computed of what stands, written to the store, and then put in force. Readers see a function
//! as it was before a change, or after; a call keeps what it began with.
//!
//!     change ──► store (on disk) ──► in force ──► lane builds ──► Active, or Failed ──► store

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;
use ring::hmac;
use ring::rand::SystemRandom;

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::lambda::asynchronous::CallLanes;
use crate::aws::lambda::configuration::{State, Update};
use crate::aws::lambda::defined::{function_of, is_of};
use crate::aws::lambda::deployed::{Deployed, Foundry};
use crate::aws::lambda::lane::{BuildLane, Built};
use crate::aws::lambda::layer_record::LayerRecord;
use crate::aws::lambda::policy_record::malformed;
use crate::aws::lambda::record::{Function, FunctionRecord, UrlRecord};
use crate::aws::logs::Logs;
use crate::events::clock::EventClock;
use crate::events::queue::EventQueue;
use crate::function::build::DeployError;
use crate::function::concurrency::account::{AccountConcurrency, ConcurrencyRefusal, FunctionConcurrency};
use crate::function::defined::DefinedFunction;
use crate::function_name::is_name;
use crate::limits::lambda::{FUNCTIONS, NAME_CHARS};
use crate::store::{Backlog, BlobDigest, Change, Collection, Store, StoreError};
use crate::telemetry::{ApiMetrics, LambdaMetrics, Tracer};
use crate::wasm::init::InitError;

/// See the module.
pub struct Registry {
    pub foundry: Arc<Foundry>,
    pub lane: BuildLane,
    pub concurrency: AccountConcurrency,
    pub logs: Arc<Logs>,
    pub metrics: ApiMetrics,
    /// `None`: the host has no collector of traces.
    pub tracer: Option<Tracer>,
    /// Events that wait for functions, and records that wait for destinations.
    pub events: Arc<EventQueue>,
    pub lanes: CallLanes,
    /// Signs the locations of archives. Another one in each process.
    pub downloads: hmac::Key,
    functions: RwLock<Functions>,
    /// Held by who changes something.
    changing: Mutex<()>,
    /// Held by a call that has changed code built.
    reloading: tokio::sync::Mutex<()>,
    /// Code that has been sent, and that no record names yet.
    uploading: Mutex<Vec<BlobDigest>>,
}

#[derive(Default)]
struct Functions {
    by_name: BTreeMap<String, Arc<FunctionEntry>>,
    /// Those that the configuration's file defines. Not kept: whoever reads the file tells them.
    defined: BTreeMap<String, Arc<FunctionEntry>>,
    /// Names of functions by the ids of their URLs.
    by_url: HashMap<String, String>,
}

impl Functions {
    fn forget_urls(&mut self, record: &FunctionRecord) {
        record.urls.values().for_each(|url| drop(self.by_url.remove(&url.id)));
    }

    fn note_urls(&mut self, name: &str, record: &FunctionRecord) {
        self.by_url.extend(record.urls.values().map(|url| (url.id.clone(), name.to_owned())));
    }
}

/// A function of the registry.
pub struct FunctionEntry {
    pub standing: ArcSwap<Function>,
    pub concurrency: FunctionConcurrency,
    /// From the first call on.
    metrics: OnceLock<LambdaMetrics>,
}

impl FunctionEntry {
    fn new(function: Function, concurrency: FunctionConcurrency) -> Arc<FunctionEntry> {
        let standing = ArcSwap::from_pointee(function);
        Arc::new(FunctionEntry { standing, concurrency, metrics: OnceLock::new() })
    }

    pub fn metrics(&self, metrics: &ApiMetrics) -> &LambdaMetrics {
        self.metrics.get_or_init(|| metrics.function(&self.now().name))
    }

    /// As it stands now.
    pub fn now(&self) -> Arc<Function> {
        self.standing.load_full()
    }

    /// Whether the API may change it.
    pub fn require_changeable(&self) -> Result<(), ApiError> {
        let function = self.now();
        function.definition.as_ref().map_or(Ok(()), |definition| Err(definition.unchangeable(&function.name)))
    }
}

impl Registry {
    /// All functions of the store; nothing is built yet.
    pub fn open(
        foundry: Foundry,
        logs: Arc<Logs>,
        metrics: ApiMetrics,
        tracer: Option<Tracer>,
        backlog: Backlog,
    ) -> Result<Registry, ApiError> {
        let foundry = Arc::new(foundry);
        let lane = BuildLane::start(&foundry, &metrics).map_err(|error| ApiError::internal(&error))?;
        BuildLane::prepare(&foundry).map_err(|error| ApiError::internal(&error))?;
        let (concurrency, changing) = (AccountConcurrency::default(), Mutex::default());
        let downloads =
            hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|error| ApiError::internal(&error))?;
        let functions = RwLock::default();
        let (reloading, uploading) = (tokio::sync::Mutex::default(), Mutex::default());
        let events = EventQueue::new(backlog, EventClock::default())?;
        let registry = Registry {
            foundry,
            lane,
            concurrency,
            logs,
            metrics,
            tracer,
            events,
            lanes: CallLanes::default(),
            downloads,
            functions,
            changing,
            reloading,
            uploading,
        };
        registry.load()?;
        Ok(registry)
    }

    fn load(&self) -> Result<(), ApiError> {
        let mut versions: BTreeMap<String, BTreeMap<u64, _>> = BTreeMap::new();
        for (key, configuration) in self.store().records(Collection::Versions, "")? {
            let Some((name, number)) = key.split_once('\0') else { continue };
            let Ok(number) = number.parse() else { continue };
            versions.entry(name.to_owned()).or_default().insert(number, configuration);
        }
        for (name, record) in self.store().records::<FunctionRecord>(Collection::Functions, "")? {
            let mut record = record;
            // What was being built when the process ended is built by the first call.
            if record.latest.update == Update::InProgress {
                record.latest.update = Update::Successful;
            }
            if record.latest.is_pending() {
                record.latest.state = State::Active;
            }
            let provisioned = |version: &str| provisioned(&record, version);
            let latest = Deployed::new(&name, "$LATEST", record.latest.clone(), 0);
            let versions = versions.remove(&name).unwrap_or_default().into_iter();
            let versions = versions.map(|(number, configuration)| {
                let version = number.to_string();
                (number, Deployed::new(&name, &version, configuration, provisioned(&version)))
            });
            let versions = versions.collect();
            let reserved = record.reserved;
            let policies = record.policy_documents().unwrap_or_else(|error| {
                tracing::error!(function = name, "its policies allow nobody anything, since they cannot be read: {error}");
                BTreeMap::new()
            });
            let entry = self.enter(Function {
                name,
                record: Arc::new(record),
                latest,
                building: None,
                versions,
                policies,
                definition: None,
            });
            self.concurrency.provision(&entry.concurrency, total(&entry.now().record));
            if let Err(error) = self.concurrency.reserve(&entry.concurrency, reserved) {
                tracing::warn!(function = entry.now().name, "its reserved concurrency is not in force: {error}");
            }
            for deployed in entry.now().versions.values().filter(|deployed| deployed.provisioned > 0) {
                self.lane.build(deployed.clone(), tell_failure);
            }
        }
        self.sweep_blobs()
    }

    fn enter(&self, function: Function) -> Arc<FunctionEntry> {
        let name = function.name.clone();
        let concurrency = self.concurrency.function();
        let mut functions = self.functions_to_change();
        functions.note_urls(&name, &function.record);
        let entry = FunctionEntry::new(function, concurrency);
        functions.by_name.insert(name, entry.clone());
        entry
    }

    /// Takes over what the configuration's file defines, in place of what it defined before. A function that the API has made
    /// stays what its name leads to.
    pub fn define(&self, functions: &[DefinedFunction]) {
        let _changing = self.changing();
        let before = self.functions().defined.clone();
        let mut next = BTreeMap::new();
        for defined in functions {
            let (name, file) = (defined.revision.name(), defined.file.display());
            if !is_name(name) || name.len() > NAME_CHARS {
                tracing::warn!(function = name, %file, "the AWS APIs do not show it: Lambda has no such names");
                continue;
            }
            let entry = match before.get(name) {
                Some(entry) => {
                    let now = entry.now();
                    if !is_of(&now, defined) {
                        entry.standing.store(Arc::new(function_of(defined, self.account())));
                    }
                    entry.clone()
                }
                None => {
                    if self.functions().by_name.contains_key(name) {
                        tracing::warn!(function = name, %file, "the AWS APIs do not show it: they have made one of its name");
                    }
                    FunctionEntry::new(function_of(defined, self.account()), self.concurrency.function())
                }
            };
            next.insert(name.to_owned(), entry);
        }
        self.functions_to_change().defined = next;
    }

    pub fn store(&self) -> &Store {
        &self.foundry.store
    }

    pub fn account(&self) -> &Account {
        &self.foundry.account
    }

    pub fn find(&self, name: &str) -> Option<Arc<FunctionEntry>> {
        let functions = self.functions();
        functions.by_name.get(name).or_else(|| functions.defined.get(name)).cloned()
    }

    /// The function of a URL, the alias that it is for, if any, and the URL.
    pub fn find_url(&self, id: &str) -> Option<(String, Option<String>, UrlRecord)> {
        let functions = self.functions();
        let function = functions.by_name.get(functions.by_url.get(id)?)?.now();
        let (alias, url) = function.record.urls.iter().find(|(_, url)| url.id == id)?;
        Some((function.name.clone(), (!alias.is_empty()).then(|| alias.clone()), url.clone()))
    }

    fn functions(&self) -> RwLockReadGuard<'_, Functions> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn functions_to_change(&self) -> RwLockWriteGuard<'_, Functions> {
        self.functions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function, or Lambda's answer that there is none: `arn` as the operation tells it.
    pub fn get(&self, name: &str, arn: &str) -> Result<Arc<FunctionEntry>, ApiError> {
        self.find(name).ok_or_else(|| ApiError::not_found(format!("Function not found: {arn}")))
    }

    /// All functions that the API has made, in the order of their names.
    pub fn all(&self) -> Vec<Arc<Function>> {
        self.functions().by_name.values().map(|entry| entry.now()).collect()
    }

    /// These, and those that the file defines, in the same order.
    pub fn listed(&self) -> Vec<Arc<Function>> {
        let functions = self.functions();
        let mut listed: Vec<_> = functions.by_name.values().map(|entry| entry.now()).collect();
        let others = functions.defined.iter().filter(|(name, _)| !functions.by_name.contains_key(*name));
        listed.extend(others.map(|(_, entry)| entry.now()));
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        listed
    }

    /// Adds a function, and has it built. Blocks for the disk.
    pub fn create(self: &Arc<Self>, name: &str, record: FunctionRecord) -> Result<Arc<FunctionEntry>, ApiError> {
        let entry = {
            let _changing = self.changing();
            self.require_free(name)?;
            if self.functions().by_name.len() >= FUNCTIONS {
                return Err(ApiError::bad_request(
                    "CodeStorageExceededException",
                    format!("An account has at most {FUNCTIONS} functions."),
                ));
            }
            self.store().change(|change| change.put(Collection::Functions, name, &record))?;
            let latest = Deployed::new(name, "$LATEST", record.latest.clone(), 0);
            let (building, record) = (Some(latest.clone()), Arc::new(record));
            let (versions, policies) = (BTreeMap::new(), BTreeMap::new());
            let (name, definition) = (name.to_owned(), None);
            self.enter(Function { name, record, latest, building, versions, policies, definition })
        };
        let latest = entry.now().latest.clone();
        self.deploy(latest);
        Ok(entry)
    }

    /// Whether a function of this name can be made.
    pub fn require_free(&self, name: &str) -> Result<(), ApiError> {
        let Some(entry) = self.find(name) else { return Ok(()) };
        entry.require_changeable()?;
        Err(ApiError::conflict(format!("Function already exist: {name}")))
    }

    /// Changes what is kept of a function; `work` computes the new record, and what else is to be written.
    /// Blocks for the disk.
    pub fn change<T>(
        &self,
        name: &str,
        arn: &str,
        work: impl FnOnce(&mut Function, &Change) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let _changing = self.changing();
        let entry = self.get(name, arn)?;
        entry.require_changeable()?;
        let before = entry.now();
        let mut next = (*before).clone();
        let done = self.store().change(|change| {
            let done = work(&mut next, change)?;
            if next.record.policies != before.record.policies {
                next.policies = next.record.policy_documents().map_err(|error| malformed(&error))?;
            }
            change.put(Collection::Functions, name, &*next.record)?;
            Ok::<T, ApiError>(done)
        })?;
        if next.record.urls != before.record.urls {
            let mut functions = self.functions_to_change();
            functions.forget_urls(&before.record);
            functions.note_urls(name, &next.record);
        }
        entry.standing.store(Arc::new(next));
        Ok(done)
    }

    /// Removes a function with its versions and aliases. Calls that run end as they would have.
    pub fn remove(&self, name: &str, arn: &str) -> Result<(), ApiError> {
        let removed = {
            let _changing = self.changing();
            let entry = self.get(name, arn)?;
            entry.require_changeable()?;
            let function = entry.now();
            self.store().change(|change| {
                change.remove(Collection::Functions, name)?;
                function.versions.keys().try_for_each(|number| change.remove(Collection::Versions, &version_key(name, *number)))
            })?;
            let mut functions = self.functions_to_change();
            functions.by_name.remove(name);
            functions.forget_urls(&function.record);
            drop(functions);
            // A call that has found the entry may be the first one to ask for them: it finds these, which are forgotten.
            entry.metrics(&self.metrics).forget(&ConcurrencyRefusal::ALL.map(ConcurrencyRefusal::reason));
            // Nothing is reserved for what is gone.
            let _ = self.concurrency.reserve(&entry.concurrency, None);
            self.concurrency.provision(&entry.concurrency, 0);
            function
        };
        let digests = removed.versions.values().map(|deployed| &deployed.configuration).chain([&removed.record.latest]);
        digests.for_each(|configuration| self.release(configuration.code.digest));
        Ok(())
    }

    /// Builds a version in the background. Until that is over, `$LATEST` of an update is what it was before.
    pub fn deploy(self: &Arc<Self>, deployed: Arc<Deployed>) {
        let this = Arc::downgrade(self);
        self.lane.build(deployed.clone(), move |built| {
            if let Some(this) = this.upgrade() {
                this.concluded(&deployed, built);
            }
        });
    }

    /// Writes down what came of a build, unless something newer has been asked for.
    fn concluded(&self, deployed: &Arc<Deployed>, built: Built) {
        let failed = match &built {
            Ok(_) => None,
            // Its code throws: each call is told so, as on Lambda.
            Err(DeployError::Init(InitError::Handler(_) | InitError::Failed(_))) => None,
            Err(error) => Some(failure(error)),
        };
        if let Err(error) = &built {
            tracing::info!(function = deployed.name, version = deployed.version, "cannot be built: {error}");
        }
        let written = self.change(&deployed.name, "", |function, _| {
            // A version that was published is what it is.
            if !function.building.as_ref().is_some_and(|building| Arc::ptr_eq(building, deployed)) {
                return Ok(());
            }
            function.building = None;
            let mut record = (*function.record).clone();
            let is_new = record.latest.state == State::Pending;
            record.latest.state = match (&failed, is_new) {
                (Some((reason, code)), true) => State::Failed { reason: reason.clone(), code: code.clone() },
                _ => State::Active,
            };
            record.latest.update = match failed {
                Some((reason, code)) if !is_new => Update::Failed { reason, code },
                _ => {
                    function.latest = deployed.clone();
                    Update::Successful
                }
            };
            function.record = Arc::new(record);
            Ok(())
        });
        // A function that is gone needs no state.
        if let Err(error) = written
            && error.code != "ResourceNotFoundException"
        {
            tracing::error!(function = deployed.name, "its state is not written down: {error}");
        }
    }

    /// What a call of a version runs on: of code that is reloaded, a new build if its files have changed.
    pub async fn current(self: &Arc<Self>, deployed: &Arc<Deployed>) -> Arc<Deployed> {
        if deployed.configuration.hot_reload.is_none() {
            return deployed.clone();
        }
        let _one_at_a_time = self.reloading.lock().await;
        // Another call may have had it built meanwhile.
        let Some(entry) = self.find(&deployed.name) else { return deployed.clone() };
        let latest = entry.now().latest.clone();
        let looked_at = latest.clone();
        if !tokio::task::spawn_blocking(move || looked_at.has_changed()).await.unwrap_or(false) {
            return latest;
        }
        let next = latest.again();
        // The call is told what is wrong with it.
        drop(self.lane.built(&next).await);
        let (this, replaced) = (self.clone(), next.clone());
        let replace = move || {
            this.change(&replaced.name, "", |function, _| {
                // Whatever has replaced it meanwhile is newer.
                if Arc::ptr_eq(&function.latest, &latest) {
                    function.latest.clone_from(&replaced);
                }
                Ok(())
            })
        };
        drop(tokio::task::spawn_blocking(replace).await);
        next
    }

    /// Builds a version again, for new credentials, and lets calls have it when it is there.
    pub fn renew(self: &Arc<Self>, old: &Arc<Deployed>) {
        let (next, this, old) = (old.again(), Arc::downgrade(self), old.clone());
        self.lane.build(next.clone(), move |built| {
            tell_failure(built);
            let Some(this) = this.upgrade() else { return };
            // Whatever has replaced it meanwhile is newer.
            let _ = this.change(&next.name, "", |function, _| {
                if Arc::ptr_eq(&function.latest, &old) {
                    function.latest.clone_from(&next);
                }
                for version in function.versions.values_mut().filter(|version| Arc::ptr_eq(version, &old)) {
                    version.clone_from(&next);
                }
                Ok(())
            });
        });
    }

    /// Has the versions built anew of which another number of environments is to be ready. Until that is done, calls run on
    /// what there is.
    pub fn reprovision(self: &Arc<Self>, name: &str) -> Result<(), ApiError> {
        let entry = self.get(name, &self.account().function_arn(name))?;
        let function = entry.now();
        self.concurrency.provision(&entry.concurrency, total(&function.record));
        for (number, old) in &function.versions {
            let wanted = provisioned(&function.record, &old.version);
            if wanted == old.provisioned {
                continue;
            }
            let next = Deployed::new(name, &old.version, old.configuration.clone(), wanted);
            let (this, number) = (Arc::downgrade(self), *number);
            self.lane.build(next.clone(), move |built| {
                tell_failure(built);
                let Some(this) = this.upgrade() else { return };
                // The version may be gone, or be provisioned otherwise by now.
                let _ = this.change(&next.name, "", |function, _| {
                    if provisioned(&function.record, &next.version) == next.provisioned
                        && let Some(version) = function.versions.get_mut(&number)
                    {
                        version.clone_from(&next);
                    }
                    Ok(())
                });
            });
        }
        Ok(())
    }

    /// Keeps code from being removed until a record names it: another function with the same code may be deleted just now.
    pub fn upload(&self, digest: BlobDigest) -> CodeUpload<'_> {
        let _changing = self.changing();
        self.uploading().push(digest);
        CodeUpload { registry: self, digest }
    }

    fn uploading(&self) -> MutexGuard<'_, Vec<BlobDigest>> {
        self.uploading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes code that no version has any more.
    pub fn release(&self, digest: BlobDigest) {
        let _changing = self.changing();
        if self.uploading().contains(&digest) {
            return;
        }
        if !self.digests().contains(&digest) && self.layer_digests().is_ok_and(|layers| !layers.contains(&digest)) {
            // What stays is removed at the next start.
            let _ = std::fs::remove_file(self.store().blobs().path(digest, "zip"));
        }
    }

    fn sweep_blobs(&self) -> Result<(), ApiError> {
        let layers = self.layer_digests()?;
        let named: std::collections::BTreeSet<String> = self.digests().into_iter().chain(layers).map(String::from).collect();
        self.store().blobs().retain(|name| named.contains(name)).map_err(|error| StoreError::Io(error).into())
    }

    fn digests(&self) -> Vec<BlobDigest> {
        let of = |function: &Arc<Function>| {
            let mut digests = vec![function.record.latest.code.digest, function.latest.configuration.code.digest];
            digests.extend(function.versions.values().map(|deployed| deployed.configuration.code.digest));
            digests
        };
        self.all().iter().flat_map(of).collect()
    }

    fn layer_digests(&self) -> Result<Vec<BlobDigest>, ApiError> {
        let layers: Vec<(String, LayerRecord)> = self.store().records(Collection::Layers, "")?;
        Ok(layers.into_iter().map(|(_, layer)| layer.code.digest).collect())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Code that has been sent, until a record names it.
pub struct CodeUpload<'a> {
    registry: &'a Registry,
    digest: BlobDigest,
}

impl Drop for CodeUpload<'_> {
    fn drop(&mut self) {
        let mut uploading = self.registry.uploading();
        if let Some(place) = uploading.iter().position(|digest| *digest == self.digest) {
            uploading.swap_remove(place);
        }
    }
}

/// How many environments of a version are to be ready, by all that lead to it.
fn provisioned(record: &FunctionRecord, version: &str) -> u32 {
    let leads =
        |qualifier: &str| qualifier == version || record.aliases.get(qualifier).is_some_and(|alias| alias.version == version);
    record.provisioned.iter().filter(|(qualifier, _)| leads(qualifier)).map(|(_, one)| one.requested).sum()
}

fn total(record: &FunctionRecord) -> u32 {
    record.provisioned.values().map(|one| one.requested).sum()
}

/// The key of a version's record.
pub fn version_key(name: &str, number: u64) -> String {
    format!("{name}\0{number:020}")
}

/// Lambda's reason and code for a version that cannot be built.
fn failure(error: &DeployError) -> (String, String) {
    let code = match error {
        DeployError::Package(_) | DeployError::Layers(_) => "InvalidZipFileException",
        DeployError::Runtime(_) => "InvalidRuntime",
        DeployError::Unreadable(_) => "InternalError",
        _ => "FunctionError",
    };
    (error.to_string(), code.to_owned())
}

fn tell_failure(built: Built) {
    if let Err(error) = built {
        tracing::warn!("a version could not be built again; calls run on the one before: {error}");
    }
}
