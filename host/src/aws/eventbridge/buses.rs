//! Operations on buses.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::eventbridge::record::{BusRecord, BusSettings, DEFAULT_BUS, bus_arn, put_some};
use crate::aws::eventbridge::refusals;
use crate::aws::eventbridge::state::{EventBridge, put};
use crate::aws::eventbridge::tags::add;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, TagPair, input, page, refused};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::eventbridge::{BUS_NAME_CHARS, BUSES, DESCRIPTION_CHARS, PAGE};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BusInput {
    name: Option<String>,
    event_source_name: Option<String>,
    tags: Vec<TagPair>,
    #[serde(flatten)]
    settings: BusSettings,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListInput {
    pub name_prefix: Option<String>,
    pub event_bus_name: Option<String>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
}

/// A page of what a request lists, in the order of `place`.
pub fn paged<I>(
    items: Vec<I>,
    limit: Option<i64>,
    token: Option<&str>,
    place: impl Fn(&I) -> String,
) -> Result<(Vec<I>, Option<String>), ApiError> {
    let mut constraints = Constraints::default();
    let most = limit.unwrap_or(i64::try_from(PAGE).unwrap_or(i64::MAX));
    constraints.range("limit", most, 1..=i64::try_from(PAGE).unwrap_or(i64::MAX));
    constraints.finish()?;
    page(items, usize::try_from(most).unwrap_or(PAGE), token, place)
        .ok_or_else(|| ApiError::validation("Parameter NextToken is not valid."))
}

pub fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn checked(input: &BusInput) -> Result<&str, ApiError> {
    let mut constraints = Constraints::default();
    let name = constraints.required("name", input.name.as_deref()).unwrap_or("x");
    constraints.length("name", name, 1..=BUS_NAME_CHARS);
    constraints.pattern("name", name, "[/\\.\\-_A-Za-z0-9]+", |name| is_name(&name.replace('/', "")));
    constraints.length("description", input.settings.description.as_deref().unwrap_or_default(), 0..=DESCRIPTION_CHARS);
    constraints.finish()?;
    Ok(name)
}

/// `CreateEventBus`
pub fn create(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: BusInput = input(request)?;
    let name = checked(&input)?;
    refused(input.event_source_name.as_ref(), "A bus of a partner")?;
    if name.contains('/') {
        return Err(refusals::invalid("Name", "A bus that is not of a partner has no '/' in its name."));
    }
    let _alone = bridge.changing();
    bridge.buses.change(name, |record| {
        if record.is_some() {
            let message = format!("Event bus {name} already exists.");
            return Err(ApiError::bad_request("ResourceAlreadyExistsException", message));
        }
        if bridge.buses.count() >= BUSES {
            return Err(refusals::limit());
        }
        let mut record = BusRecord::new(name, input.settings.clone(), bridge.now_ms(request));
        add(&mut record.tags, &input.tags)?;
        Ok((put(record), ()))
    })?;
    let mut members = serde_json::Map::new();
    members.insert("EventBusArn".to_owned(), bus_arn(&bridge.account, name).into());
    input.settings.told(&mut members);
    answer(&members)
}

/// `UpdateEventBus`
pub fn update(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut input: BusInput = input(request)?;
    input.name.get_or_insert_with(|| DEFAULT_BUS.to_owned());
    let name = checked(&input)?;
    let _alone = bridge.changing();
    bridge.buses.change(name, |record| {
        let mut record = record.cloned().ok_or_else(|| refusals::no_bus(name))?;
        record.settings = input.settings.clone();
        record.changed_ms = bridge.now_ms(request);
        Ok((put(record), ()))
    })?;
    let mut members = serde_json::Map::new();
    members.insert("Name".to_owned(), name.into());
    members.insert("Arn".to_owned(), bus_arn(&bridge.account, name).into());
    input.settings.told(&mut members);
    answer(&members)
}

/// `DescribeEventBus`
pub fn describe(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: BusInput = input(request)?;
    let bus = bridge.bus(input.name.as_deref())?;
    let mut members = bus.described(&bridge.account);
    bus.settings.told(&mut members);
    answer(&members)
}

/// `ListEventBuses`
pub fn list(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ListInput = input(request)?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let mut buses = bridge.buses.all();
    buses.retain(|bus| bus.name.starts_with(prefix));
    let (buses, next) = paged(buses, input.limit, input.next_token.as_deref(), |bus| bus.name.clone())?;
    let buses: Vec<Value> = buses.iter().map(|bus| bus.described(&bridge.account).into()).collect();
    listed("EventBuses", buses.into(), next)
}

/// A page of a list, and the token for the next one.
pub fn listed(name: &str, items: Value, next: Option<String>) -> Result<ApiResponse, ApiError> {
    let mut members = Map::from_iter([(name.to_owned(), items)]);
    put_some(&mut members, "NextToken", next.map(Value::from));
    answer(&members)
}

/// `DeleteEventBus`. One that is not there is as good as deleted.
pub fn delete(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: BusInput = input(request)?;
    let name = checked(&input)?;
    if name == DEFAULT_BUS {
        return Err(ApiError::validation("Cannot delete event bus default."));
    }
    let _alone = bridge.changing();
    if !bridge.rules_of(name).is_empty() {
        return Err(ApiError::validation("Event bus can't be deleted since it has rules."));
    }
    bridge.buses.change(name, |record| {
        let gone = Amendment::Remove { gone: Vec::new() };
        Ok((record.map_or(Amendment::Keep, |_| gone), ()))
    })?;
    answer(&json!({}))
}
