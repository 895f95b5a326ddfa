//! I am the AWS APIs: decode, authenticate, act on functions, encode.
//!
//! All services have one address. Which one a request is for is what its signature says: the name in the scope of the
//! credential (`lambda`, `sts`), which the client has signed.
//!
//!     request ──► claim ──► whose key? ──► signature holds? ──► service ──► operation ──► answer
//!
//! | file or folder | what it is |
//! |---|---|
//! | `sigv4`, `credentials`, `sessions` | who is calling |
//! | `authorization`, with `policy` and `identities` | what they may do |
//! | `request`, `query`, `json_target`, `error`, `constraints` | how AWS's protocols speak |
//! | `lambda` | functions |
//! | `logs` | what functions have logged |
//! | `secrets`, `parameters`, with `kept` and `sealed` | Secrets Manager and Parameter Store |
//! | `queue_desk` | what waits, for who operates the host |
//! | `eventbridge`, with `rule_delivery` | buses, rules, schedules, and how their events come to functions |
//! | `dynamodb` | tables |
//! | `iam`, `sts` | users, roles, policies; who the caller is |
//!
//! I know neither sockets nor the edge: a request comes whole, and an answer leaves whole.

mod authorization;
mod constraints;
pub mod credentials;
mod dynamodb;
mod error;
mod eventbridge;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod iam;
mod identities;
mod json_target;
mod kept;
mod lambda;
mod logs;
mod parameters;
mod policy;
mod private_file;
mod query;
mod queue_desk;
pub mod request;
mod rule_delivery;
mod sealed;
mod secrets;
mod sessions;
pub mod sigv4;
mod streamed_body;
mod sts;
mod unique_id;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::account::Account;
use crate::function::build::Builder;
use crate::function::defined::DefinedFunction;
use crate::function::lane::WorkerLane;
use crate::function::named::NamedFunctions;
use crate::limits::Compiling;
use crate::limits::lambda::HASHED_INLINE_BYTES;
use crate::network::{Grants, Vpcs};
use crate::store::{Backlog, Store};
use crate::telemetry::{ApiMetrics, Tracer};
use authorization::{Authority, Caller, RequestContext};
use credentials::Credential;
use dynamodb::Tables;
use error::ApiError;
use eventbridge::EventBridge;
use lambda::{CodeFolders, Foundry, Registry};
use logs::Logs;
use parameters::ParameterStore;
use queue_desk::QueueDesk;
use request::{ApiRequest, ApiResponse, REQUEST_ID, refusal};
use sealed::Vault;
use secrets::Secrets;
use sigv4::{Payload, SignatureClaim, SignatureError, Signed};

/// What the APIs are made of.
pub struct ApiSettings<'a> {
    pub data_dir: &'a Path,
    pub account: Account,
    pub builder: Arc<Builder>,
    pub compiling: Compiling,
    /// Where functions may connect to besides the APIs, and what they can be attached to.
    pub grants: Grants,
    /// Where buckets are, and below which folders code may be that is reloaded.
    pub buckets: Option<&'a Path>,
    pub hot_reload: &'a [PathBuf],
    pub vpcs: Vpcs,
    /// Threads that call functions.
    pub workers: usize,
    /// Where functions find the APIs.
    pub endpoint: SocketAddr,
    pub metrics: ApiMetrics,
    /// Whether the clock of events may be moved, to try out what would take days.
    pub may_move_clock: bool,
    /// Records calls of functions.
    pub tracer: Option<Tracer>,
}

/// See the module.
pub struct Api {
    authority: Arc<Authority>,
    registry: Arc<Registry>,
    logs: Arc<Logs>,
    secrets: Arc<Secrets>,
    parameters: Arc<ParameterStore>,
    queue: Arc<QueueDesk>,
    eventbridge: Arc<EventBridge>,
    tables: Arc<Tables>,
    metrics: ApiMetrics,
}

impl Api {
    /// Opens the store of a data folder. Returns the first identity, if it was made now: its secret is told nowhere else.
    /// Blocks for the disk.
    pub fn open(settings: ApiSettings<'_>) -> anyhow::Result<(Arc<Api>, Option<Credential>)> {
        let store = Arc::new(Store::open(settings.data_dir)?);
        let backlog = Backlog::open(settings.data_dir)?;
        let (authority, first) = Authority::open(settings.data_dir, store.clone(), settings.account.clone())?;
        let authority = Arc::new(authority);
        let sealed = secrets::sealed_values(&store)?.or(parameters::sealed_values(&store)?);
        let vault = Arc::new(Vault::open(settings.data_dir, sealed)?);
        let secrets = Arc::new(Secrets::open(store.clone(), vault.clone(), settings.account.clone())?);
        let parameters = Arc::new(ParameterStore::open(store.clone(), vault, settings.account.clone())?);
        let tables = Arc::new(Tables::open(store.clone(), settings.account.clone())?);
        let foundry = Foundry {
            authority: authority.clone(),
            secrets: secrets.clone(),
            parameters: parameters.clone(),
            endpoint: settings.endpoint,
            builder: settings.builder,
            store: store.clone(),
            account: settings.account.clone(),
            compiling: settings.compiling,
            grants: settings.grants,
            vpcs: settings.vpcs,
            folders: CodeFolders::open(settings.buckets, settings.hot_reload)?,
            workers: settings.workers,
        };
        let logs = Logs::open(settings.data_dir, settings.account.clone())?;
        let registry = Registry::open(foundry, logs.clone(), settings.metrics.clone(), settings.tracer, backlog)?;
        let registry = Arc::new(registry);
        let queue = Arc::new(QueueDesk { queue: registry.events.clone(), may_move_clock: settings.may_move_clock });
        let deliver = rule_delivery::to_functions(registry.clone());
        let eventbridge = Arc::new(EventBridge::open(store, settings.account, deliver, registry.events.clock.clone())?);
        let metrics = settings.metrics;
        Ok((Arc::new(Api { authority, registry, logs, secrets, parameters, tables, eventbridge, queue, metrics }), first))
    }

    /// Answers a request. Must run on a `LocalSet`.
    pub async fn answer(self: &Arc<Self>, lane: &Rc<WorkerLane>, request: ApiRequest) -> ApiResponse {
        let id = request.id.clone();
        let mut response = self.clone().answered(lane, request).await;
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID.clone(), id);
        }
        response
    }

    async fn answered(self: Arc<Self>, lane: &Rc<WorkerLane>, mut request: ApiRequest) -> ApiResponse {
        if let Some(digest) = lambda::download_of(&request) {
            let (api, digest) = (self.clone(), digest.to_owned());
            let archive = tokio::task::spawn_blocking(move || lambda::download(&api.registry, &request, &digest)).await;
            let archive = archive.unwrap_or_else(|error| Err(ApiError::internal(&error)));
            return archive.unwrap_or_else(|error| refusal(&error));
        }
        if let Some(url) = lambda::UrlRequest::of(&request) {
            return self.answered_at_url(lane, request, url).await;
        }
        let (caller, service) = match self.authenticated(&mut request).await {
            Ok(authenticated) => authenticated,
            Err(error) => {
                self.metrics.refused(error.code);
                return match request.header("x-amz-target") {
                    // A client of these protocols looks for the code in the body.
                    Some(_) => json_target::refusal(&error),
                    None if is_query(&request) => query::refusal(&request, &error),
                    None => refusal(&error),
                };
            }
        };
        let (action, answered) = match service.as_str() {
            "lambda" => {
                let (action, answered) = lambda::answer(&self.registry, lane, &caller, request).await;
                (action, answered.unwrap_or_else(|error| refusal(&error)))
            }
            "events" => self.by_target(caller, request, |api| api.eventbridge.clone()).await,
            "logs" => self.by_target(caller, request, |api| api.logs.clone()).await,
            "secretsmanager" => self.by_target(caller, request, |api| api.secrets.clone()).await,
            "dynamodb" => self.by_target(caller, request, |api| api.tables.clone()).await,
            "ssm" => self.by_target(caller, request, |api| api.parameters.clone()).await,
            "edgeward" => self.by_target(caller, request, |api| api.queue.clone()).await,
            "iam" => self.by_query(caller, request, iam::answer).await,
            "sts" => self.by_query(caller, request, sts::answer).await,
            other => {
                let error = ApiError::not_there(&format!("The service {other}"));
                ("Unsupported", if is_query(&request) { query::refusal(&request, &error) } else { refusal(&error) })
            }
        };
        // A client may sign any name for a service: only ours are labels.
        let service = if action == "Unsupported" { "other" } else { service.as_str() };
        self.metrics.operation(service, action, answered.status().as_u16());
        answered
    }

    /// The answer of a service of the `json` protocols, if the caller may have it. Its files are read on another thread.
    async fn by_target(
        self: &Arc<Self>,
        caller: Caller,
        request: ApiRequest,
        service: fn(&Api) -> Arc<dyn TargetService>,
    ) -> (&'static str, ApiResponse) {
        let api = self.clone();
        let work = move || {
            let (service, context) = (service(&api), RequestContext::of(&request));
            let allowed = service.asked(&request).and_then(|asked| {
                asked.iter().try_for_each(|(action, of)| api.authority.authorize(&caller, action, of, None, &context))
            });
            let (action, answered) = match allowed {
                Ok(()) => service.answer_to(&request),
                Err(error) => ("Refused", Err(error)),
            };
            (action, answered.unwrap_or_else(|error| service.refusal(&error)))
        };
        let answered = tokio::task::spawn_blocking(work).await;
        answered.unwrap_or_else(|error| ("Unknown", json_target::refusal(&ApiError::internal(&error))))
    }

    /// The answer of a service of the `query` protocol, which decides itself whether the caller may have it.
    async fn by_query(
        self: &Arc<Self>,
        caller: Caller,
        request: ApiRequest,
        answer: QueryService,
    ) -> (&'static str, ApiResponse) {
        let api = self.clone();
        let work = move || {
            let context = RequestContext::of(&request);
            let (action, answered) = answer(&api.authority, &caller, &context, &request);
            (action, answered.unwrap_or_else(|error| query::refusal(&request, &error)))
        };
        let answered = tokio::task::spawn_blocking(work).await;
        answered.unwrap_or_else(|error| ("Unknown", refusal(&ApiError::internal(&error))))
    }

    /// A request to a function URL.
    async fn answered_at_url(
        self: &Arc<Self>,
        lane: &Rc<WorkerLane>,
        mut request: ApiRequest,
        url: lambda::UrlRequest,
    ) -> ApiResponse {
        let Some(found) = url.find(&self.registry) else {
            self.metrics.refused("AccessDeniedException");
            return lambda::forbidden(None);
        };
        let caller = match found.record.auth.as_str() {
            "NONE" if lambda::is_public(&self.registry, &found) => None,
            "AWS_IAM" => match self.authenticated(&mut request).await {
                Ok((caller, service)) if service == "lambda" => Some(caller),
                _ => {
                    self.metrics.refused("AccessDeniedException");
                    return lambda::forbidden(Some(lambda::UNAUTHORISED));
                }
            },
            _ => {
                self.metrics.refused("AccessDeniedException");
                return lambda::forbidden(Some(lambda::UNAUTHORISED));
            }
        };
        let answered = lambda::answer_url(&self.registry, lane, request, url, found, caller.as_ref()).await;
        self.metrics.operation("lambda", "InvokeFunctionUrl", answered.status().as_u16());
        answered
    }

    /// Calls functions for the events that wait, on this lane, until `until` ends, and then until its calls have ended. Must run
    /// on a `LocalSet`, once on each lane.
    pub async fn work(&self, lane: Rc<WorkerLane>, until: impl Future<Output = ()>) {
        lambda::work(self.registry.clone(), lane, until).await;
    }

    /// Where a site finds the functions that are made here.
    pub fn functions(&self) -> Arc<dyn NamedFunctions> {
        self.registry.clone()
    }

    /// Takes over the functions that a configuration's file defines, to be shown and called.
    pub fn define(&self, functions: &[DefinedFunction]) {
        self.registry.define(functions);
    }

    /// Makes events at the ticks of schedules, until `until` ends.
    pub async fn schedules(self: Arc<Api>, until: impl Future<Output = ()>) {
        self.eventbridge.clone().tick(until).await;
    }

    /// Brings gauges up to date.
    pub fn measure(&self) {
        self.metrics.logs(self.logs.bytes(), self.logs.dropped());
        match self.registry.events.totals() {
            Ok(lines) => {
                let oldest = |line: &str| self.registry.events.oldest_ms(line).ok().flatten().unwrap_or(0);
                let told = lines.iter().map(|(line, total)| (line.as_str(), total.entries, total.bytes, oldest(line)));
                self.metrics.waiting(told);
            }
            Err(error) => tracing::warn!("what waits cannot be measured: {error}"),
        }
    }

    /// Writes what still waits to be written.
    pub fn flush(&self) {
        self.logs.flush();
    }

    /// Whose request it is, and for which service. A body that came in signed chunks is put together.
    async fn authenticated(self: &Arc<Self>, request: &mut ApiRequest) -> Result<(Caller, String), ApiError> {
        let signed =
            Signed { method: request.method.as_str(), path: &request.path, query: &request.query, headers: &request.headers };
        let Some(claim) = SignatureClaim::read(&signed).map_err(|error| told(&error))? else {
            return Err(ApiError::forbidden("MissingAuthenticationTokenException", "Missing Authentication Token"));
        };
        let (caller, secret) = self.authority.authenticate(&claim, request.received)?;
        self.authority.require_scope(&claim).map_err(|error| told(&error))?;
        let large = (request.body.len() > HASHED_INLINE_BYTES).then(|| request.body.clone());
        let digest = match large {
            Some(body) => {
                let hashed = tokio::task::spawn_blocking(move || Sha256::digest(&body)).await;
                Some(hashed.map_err(|error| ApiError::internal(&error))?)
            }
            None => None,
        };
        let body = &request.body;
        let key = claim.signing_key(secret.text());
        let payload = claim
            .verify(&signed, &key, || digest.unwrap_or_else(|| Sha256::digest(body)).into(), request.received)
            .map_err(|error| told(&error))?;
        if let Payload::Chunked(chunked) = payload {
            request.body = chunked.decode(&request.body).map_err(|error| told(&error))?.into();
        }
        Ok((caller, claim.service))
    }
}

impl TargetService for QueueDesk {
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        Ok(QueueDesk::resources(request))
    }

    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        self.answer(request)
    }
}

/// Answers a request of the `query` protocol.
type QueryService = fn(&Authority, &Caller, &RequestContext<'_>, &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>);

/// A service of the `json` protocols.
trait TargetService: Send + Sync {
    /// What the caller must be allowed: actions and resources.
    ///
    /// # Errors
    /// The body cannot be read. What it asks for is then not known, and is refused: an operation might read more of it.
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError>;

    /// Blocks for the disk.
    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>);

    fn refusal(&self, error: &ApiError) -> ApiResponse {
        json_target::refusal(error)
    }
}

impl TargetService for Logs {
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        Ok(self.resource(request)?.into_iter().collect())
    }

    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        self.answer(request)
    }
}

impl TargetService for EventBridge {
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        self.resources(request)
    }

    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        self.answer(request)
    }
}

impl TargetService for Secrets {
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        self.resources(request)
    }

    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        self.answer(request)
    }
}

impl TargetService for ParameterStore {
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        self.resources(request)
    }

    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        self.answer(request)
    }
}

impl TargetService for Tables {
    fn asked(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        self.resources(request)
    }

    fn answer_to(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        self.answer(request)
    }

    fn refusal(&self, error: &ApiError) -> ApiResponse {
        dynamodb::refusal(error)
    }
}

fn told(error: &SignatureError) -> ApiError {
    let mut refused = ApiError::forbidden(error.code(), error.to_string());
    refused.status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::FORBIDDEN);
    refused
}

/// Whether a client expects XML.
fn is_query(request: &ApiRequest) -> bool {
    request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}
