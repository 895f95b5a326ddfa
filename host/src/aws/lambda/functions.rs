//! Functions: create, read, list, change, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::aws::authorization::Caller;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::{Configuration, State, Update};
use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::input::{CodeInput, Settings, refuse_unknown};
use crate::aws::lambda::precondition::require_revision;
use crate::aws::lambda::record::FunctionRecord;
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::runtime::{Runner, runner};
use crate::aws::lambda::told::told;
use crate::aws::lambda::{code, layer_record, paging, permission, tags, versions, vpc};
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};
use crate::limits::lambda::NAME_CHARS;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct CreateInput {
    function_name: Option<String>,
    code: Option<CodeInput>,
    publish: bool,
    tags: Option<BTreeMap<String, String>>,
    package_type: Option<String>,
    architectures: Option<Vec<String>>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct UpdateCodeInput {
    publish: bool,
    dry_run: bool,
    revision_id: Option<String>,
    architectures: Option<Vec<String>>,
    #[serde(flatten)]
    code: CodeInput,
}

/// `POST /2015-03-31/functions`
pub fn create(registry: &Arc<Registry>, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: CreateInput = request.json()?;
    refuse_unknown(&input.settings.other, &[])?;
    let mut constraints = Constraints::default();
    let name = constraints.required("functionName", input.function_name.as_deref());
    constraints.required("role", input.settings.role.as_ref());
    constraints.required("code", input.code.as_ref());
    if let Some(kind) = &input.package_type {
        constraints.one_of("packageType", kind, &["Zip", "Image"]);
    }
    check_architectures(input.architectures.as_deref(), &mut constraints);
    input.settings.check(&mut constraints);
    constraints.finish()?;
    let identifier = FunctionIdentifier::parse(name.unwrap_or_default(), None, registry.account())?;
    let name = identifier.name;
    if name.len() > NAME_CHARS {
        let mut constraints = Constraints::default();
        constraints.length("functionName", &name, 1..=NAME_CHARS);
        constraints.finish().map_err(|error| ApiError::invalid_parameter(error.message.unwrap_or_default()))?;
    }
    if input.package_type.as_deref() == Some("Image") {
        return Err(ApiError::invalid_parameter("Container images are not supported here; use PackageType Zip."));
    }
    let (Some(code), true) = (input.code, identifier.qualifier.is_none()) else {
        return Err(ApiError::invalid_parameter("A function is created without a qualifier."));
    };
    if input.settings.runtime.is_none() || input.settings.handler.is_none() {
        let message = "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
        return Err(ApiError::invalid_parameter(message));
    }
    registry.require_free(&name)?;
    let tags = input.tags.unwrap_or_default();
    tags::check(&tags)?;
    let mut latest = Configuration::new();
    input.settings.apply(&mut latest, registry.account())?;
    permission::require_role(registry, caller, request, &latest.role)?;
    check_new_layers(registry, caller, request, &latest.layers)?;
    check_runner(&latest)?;
    vpc::attach(&registry.foundry.vpcs, &mut latest)?;
    if let Some([architecture, ..]) = input.architectures.as_deref() {
        latest.architecture.clone_from(architecture);
    }
    let code = code::of_function(registry, caller, request, &code)?;
    if input.publish {
        code.require_publishable()?;
    }
    code.give(&mut latest);
    latest.touch(request.received);
    let record = FunctionRecord { latest, tags, ..FunctionRecord::default() };
    let entry = registry.create(&name, record)?;
    if input.publish {
        let arn = registry.account().function_arn(&name);
        let number = versions::publish_now(registry, &name, &arn, None, request)?;
        return json(StatusCode::CREATED, &told(registry, &entry.now(), Some(&Qualifier::Version(number)))?);
    }
    json(StatusCode::CREATED, &told(registry, &entry.now(), None)?)
}

fn check_architectures(asked: Option<&[String]>, constraints: &mut Constraints) {
    let Some(asked) = asked else { return };
    let told = format!("[{}]", asked.join(", "));
    if asked.len() > 1 {
        constraints.fail("architectures", &told, "have length less than or equal to 1");
    }
    if asked.iter().any(|name| !["x86_64", "arm64"].contains(&name.as_str())) {
        let must = "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]";
        constraints.fail("architectures", &told, must);
    }
}

/// Layers must be there, and the caller must be allowed to have them.
fn check_new_layers(registry: &Registry, caller: &Caller, request: &ApiRequest, layers: &[String]) -> Result<(), ApiError> {
    layer_record::check(registry.store(), registry.account(), layers)?;
    permission::require_layers(registry, caller, request, layers)
}

/// Layers must be for what the runtime can use.
fn check_runner(configuration: &Configuration) -> Result<(), ApiError> {
    if !configuration.layers.is_empty() && runner(&configuration.runtime) == Some(Runner::Component) {
        let message = format!("Layers are for sources; a component of {} has none.", configuration.runtime);
        return Err(ApiError::invalid_parameter(message));
    }
    Ok(())
}

/// `GET /2015-03-31/functions/{name}`
pub fn get(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &id.arn(registry.account()))?.now();
    let configuration = told(registry, &function, id.qualifier.as_ref())?;
    let version = function.version_of(id.qualifier.as_ref()).unwrap_or_default();
    let mut members = Map::new();
    members.insert("Configuration".to_owned(), configuration.into());
    let code = match (&function.definition, function.configuration(&version)) {
        // It is where the file says: there is no archive of it.
        (Some(_), _) => json!({"RepositoryType": "File"}),
        (None, configuration) => {
            let location = configuration.map(|configuration| match &configuration.hot_reload {
                Some(path) => format!("file://{}", path.display()),
                None => code::location(registry, request, &configuration.code),
            });
            json!({"RepositoryType": "S3", "Location": location})
        }
    };
    members.insert("Code".to_owned(), code);
    if !function.record.tags.is_empty() {
        members.insert("Tags".to_owned(), json!(function.record.tags));
    }
    if let Some(reserved) = function.record.reserved
        && id.qualifier.is_none()
    {
        members.insert("Concurrency".to_owned(), json!({"ReservedConcurrentExecutions": reserved}));
    }
    json(StatusCode::OK, &members)
}

/// `GET /2015-03-31/functions/{name}/configuration`
pub fn get_configuration(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &id.arn(registry.account()))?.now();
    json(StatusCode::OK, &told(registry, &function, id.qualifier.as_ref())?)
}

/// `GET /2015-03-31/functions`
pub fn list(registry: &Registry, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let all_versions = match request.parameter("FunctionVersion").as_deref() {
        None => false,
        Some("ALL") => true,
        Some(other) => {
            let mut constraints = Constraints::default();
            constraints.one_of("functionVersion", other, &["ALL"]);
            constraints.finish()?;
            false
        }
    };
    let mut values = Vec::new();
    for function in registry.listed() {
        if all_versions {
            values.push(told(registry, &function, Some(&Qualifier::Latest))?.into());
            for number in function.versions.keys() {
                values.push(told(registry, &function, Some(&Qualifier::Version(*number)))?.into());
            }
        } else {
            values.push(told(registry, &function, None)?.into());
        }
    }
    paging::page(request, "Functions", values)
}

/// `PUT /2015-03-31/functions/{name}/code`
pub fn update_code(
    registry: &Arc<Registry>,
    caller: &Caller,
    request: &ApiRequest,
    id: &FunctionIdentifier,
) -> Result<ApiResponse, ApiError> {
    let input: UpdateCodeInput = request.json()?;
    let mut constraints = Constraints::default();
    check_architectures(input.architectures.as_deref(), &mut constraints);
    constraints.finish()?;
    if input.code.image_uri.is_some() {
        let message = "Please don't provide ImageUri when updating a function with packageType Zip.";
        return Err(ApiError::invalid_parameter(message));
    }
    // Before anything is kept.
    let arn = registry.account().function_arn(&id.name);
    registry.get(&id.name, &arn)?.now().require_settled(&arn)?;
    let code = code::of_function(registry, caller, request, &input.code)?;
    if input.publish {
        code.require_publishable()?;
    }
    let changed = |configuration: &mut Configuration| {
        code.give(configuration);
        if let Some([architecture, ..]) = input.architectures.as_deref() {
            configuration.architecture.clone_from(architecture);
        }
        Ok(())
    };
    let change = UpdateMode { revision_id: input.revision_id.as_deref(), dry_run: input.dry_run, publish: input.publish };
    update(registry, request, id, &change, changed)
}

/// `PUT /2015-03-31/functions/{name}/configuration`
pub fn update_configuration(
    registry: &Arc<Registry>,
    caller: &Caller,
    request: &ApiRequest,
    id: &FunctionIdentifier,
) -> Result<ApiResponse, ApiError> {
    let mut settings: Settings = request.json()?;
    refuse_unknown(&settings.other, &[])?;
    let mut constraints = Constraints::default();
    settings.check(&mut constraints);
    constraints.finish()?;
    let revision_id = settings.revision_id.take();
    let change = UpdateMode { revision_id: revision_id.as_deref(), dry_run: false, publish: false };
    let mut settings = Some(settings);
    update(registry, request, id, &change, |configuration| {
        let before = (configuration.role.clone(), configuration.layers.clone());
        settings.take().unwrap_or_default().apply(configuration, registry.account())?;
        if configuration.role != before.0 {
            permission::require_role(registry, caller, request, &configuration.role)?;
        }
        if configuration.layers != before.1 {
            check_new_layers(registry, caller, request, &configuration.layers)?;
        }
        check_runner(configuration)?;
        vpc::attach(&registry.foundry.vpcs, configuration)
    })
}

/// How an update is to be made.
struct UpdateMode<'a> {
    revision_id: Option<&'a str>,
    dry_run: bool,
    publish: bool,
}

fn update(
    registry: &Arc<Registry>,
    request: &ApiRequest,
    id: &FunctionIdentifier,
    how: &UpdateMode<'_>,
    work: impl FnOnce(&mut Configuration) -> Result<(), ApiError>,
) -> Result<ApiResponse, ApiError> {
    let arn = registry.account().function_arn(&id.name);
    if how.dry_run {
        let mut function = (*registry.get(&id.name, &arn)?.now()).clone();
        let mut record = (*function.record).clone();
        require_revision(how.revision_id, &record.latest.revision_id, "GetFunction/GetAlias")?;
        work(&mut record.latest)?;
        function.record = Arc::new(record);
        return json(StatusCode::OK, &told(registry, &function, None)?);
    }
    let (function, replaced, building) = registry.change(&id.name, &arn, |function, _| {
        function.require_settled(&arn)?;
        let mut record = (*function.record).clone();
        require_revision(how.revision_id, &record.latest.revision_id, "GetFunction/GetAlias")?;
        let replaced = record.latest.code.digest;
        work(&mut record.latest)?;
        record.latest.touch(request.received);
        // A function that has never run has nothing that could go on.
        match record.latest.state {
            State::Active => record.latest.update = Update::InProgress,
            _ => record.latest.state = State::Pending,
        }
        let building = Deployed::new(&id.name, "$LATEST", record.latest.clone(), 0);
        function.building = Some(building.clone());
        function.record = Arc::new(record);
        Ok((function.clone(), replaced, building))
    })?;
    registry.deploy(building);
    registry.release(replaced);
    if how.publish {
        let number = versions::publish_now(registry, &id.name, &arn, None, request)?;
        let function = registry.get(&id.name, &arn)?.now();
        return json(StatusCode::OK, &told(registry, &function, Some(&Qualifier::Version(number)))?);
    }
    json(StatusCode::OK, &told(registry, &function, None)?)
}

/// `DELETE /2015-03-31/functions/{name}`
pub fn delete(registry: &Arc<Registry>, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let arn = id.arn(registry.account());
    match &id.qualifier {
        None => registry.remove(&id.name, &arn)?,
        Some(Qualifier::Latest) => {
            let message = "$LATEST version cannot be deleted without deleting the function.";
            return Err(ApiError::invalid_parameter(message));
        }
        Some(Qualifier::Version(number)) => versions::delete(registry, &id.name, &arn, *number)?,
        Some(Qualifier::Alias(_)) => {
            return Err(ApiError::invalid_parameter("Deletion of functions by alias is not currently supported."));
        }
    }
    Ok(empty(StatusCode::NO_CONTENT))
}
