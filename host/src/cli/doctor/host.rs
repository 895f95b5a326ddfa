//! The functions of a host, as its API tells of them. What it may not tell the keys' user is a finding, too.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use super::finding::Finding;
use crate::advice::{self, Advice};
use crate::cli::api::{ApiClient, Refusal, there};
use crate::cli::output::count;
use crate::percent::encoded;

/// Services that call functions and do not wait
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html>).
const ASYNCHRONOUS: [&str; 8] = ["config", "events", "iot", "logs", "s3", "scheduler", "ses", "sns"];

/// The only one that is not Lambda's.
const ROLE_OPERATION: &str = "GetRole";

/// What was found of a host's functions, and what sites must know of them.
pub(super) struct Examination {
    pub(super) findings: Vec<Finding>,
    pub(super) functions: Vec<HostFunction>,
    pub(super) about: String,
}

/// A function, and where it is called by HTTP.
pub(super) struct HostFunction {
    pub(super) name: String,
    pub(super) timeout_s: i64,
    pub(super) urls: Vec<String>,
}

pub(super) async fn examine(mut client: ApiClient) -> anyhow::Result<Examination> {
    let account = client.account().await?;
    let configurations = client.list("ListFunctions", "/2015-03-31/functions", "", "Functions").await?;
    let about = format!(
        "{} at {} (account {}, {})",
        count(configurations.len(), "function"),
        client.endpoint,
        account.id,
        account.region
    );
    let (findings, roles, unseen) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    let mut examiner = Examiner { client, findings, roles, unreserved: 0, unseen };
    let mut functions = Vec::new();
    for configuration in &configurations {
        functions.extend(examiner.function(configuration).await?);
    }
    examiner.account().await?;
    let unseen = examiner.unseen.into_iter().map(|(operation, functions)| {
        let service = if operation == ROLE_OPERATION { "iam" } else { "lambda" };
        Finding::of(None, advice::unseen(service, operation, functions.len()))
    });
    let findings = examiner.findings.into_iter().chain(unseen).collect();
    Ok(Examination { findings, functions, about })
}

struct Examiner {
    client: ApiClient,
    findings: Vec<Finding>,
    /// Whether they are there.
    roles: BTreeMap<String, bool>,
    /// Functions that reserve no concurrency.
    unreserved: usize,
    /// Operations that were refused, and the functions that they were to tell of.
    unseen: BTreeMap<&'static str, BTreeSet<String>>,
}

/// One function while it is looked at.
struct Patient<'a> {
    name: &'a str,
    /// "function `NAME`".
    whose: String,
    /// Of its resources.
    path: String,
    findings: Vec<Advice>,
}

impl Patient<'_> {
    fn at(&self, version: &str, rest: &str) -> String {
        format!("/{version}/functions/{}/{rest}", self.path)
    }
}

impl Examiner {
    /// What an operation tells of a function, or of the host; `None` if it may not tell it.
    fn seen<T>(&mut self, operation: &'static str, function: Option<&str>, told: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        match told {
            Ok(told) => Ok(Some(told)),
            Err(error) if error.downcast_ref::<Refusal>().is_some_and(Refusal::is_denied) => {
                self.unseen.entry(operation).or_default().extend(function.map(str::to_owned));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn function(&mut self, configuration: &Value) -> anyhow::Result<Option<HostFunction>> {
        let Some(name) = configuration["FunctionName"].as_str() else { return Ok(None) };
        let mut patient = Patient { name, whose: format!("function `{name}`"), path: encoded(name), findings: Vec::new() };
        let timeout_s = configuration["Timeout"].as_i64().unwrap_or_default();
        patient.findings.extend(state(&patient.whose, configuration));
        patient.findings.extend(secrets(&patient.whose, configuration));
        let callers = self.policies(&mut patient).await?;
        if callers.contains("apigateway") {
            patient.findings.extend(advice::behind_gateway(&patient.whose, timeout_s));
        }
        self.events(&mut patient, configuration, &callers).await?;
        self.concurrency(&mut patient).await?;
        let urls = self.urls(&mut patient).await?;
        self.role(&mut patient, configuration).await?;
        self.findings.extend(patient.findings.into_iter().map(|advice| Finding::of(Some(name), advice)));
        Ok(Some(HostFunction { name: name.to_owned(), timeout_s, urls }))
    }

    /// Returns the services that may call it, without `.amazonaws.com`.
    async fn policies(&mut self, patient: &mut Patient<'_>) -> anyhow::Result<BTreeSet<String>> {
        let mut callers = BTreeSet::new();
        let aliases = self.client.list("ListAliases", &patient.at("2015-03-31", "aliases"), "", "Aliases").await;
        let aliases = self.seen("ListAliases", Some(patient.name), aliases)?.unwrap_or_default();
        let aliases = aliases.iter().filter_map(|alias| alias["Name"].as_str());
        for qualifier in [None].into_iter().chain(aliases.map(Some)) {
            let query = qualifier.map(|alias| format!("Qualifier={}", encoded(alias))).unwrap_or_default();
            let told = self.client.get("GetPolicy", &patient.at("2015-03-31", "policy"), &query).await;
            let Some(told) = self.seen("GetPolicy", Some(patient.name), told)?.flatten() else { continue };
            let document = told["Policy"].as_str().unwrap_or("{}");
            let document: Value = serde_json::from_str(document).context("GetPolicy tells no policy")?;
            for statement in document["Statement"].as_array().into_iter().flatten() {
                let principal = &statement["Principal"];
                callers
                    .extend(principal["Service"].as_str().map(|service| service.trim_end_matches(".amazonaws.com").to_owned()));
                let is_everybody = principal == "*" || principal["AWS"] == "*";
                if is_everybody && statement["Effect"] == "Allow" && statement["Condition"].is_null() {
                    let sid = statement["Sid"].as_str().unwrap_or_default();
                    patient.findings.push(advice::open_policy(&patient.whose, sid));
                }
            }
        }
        Ok(callers)
    }

    async fn events(
        &mut self,
        patient: &mut Patient<'_>,
        configuration: &Value,
        callers: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let path = patient.at("2019-09-25", "event-invoke-config/list");
        const OPERATION: &str = "ListFunctionEventInvokeConfigs";
        let settings = self.client.list(OPERATION, &path, "", "FunctionEventInvokeConfigs").await;
        let Some(settings) = self.seen(OPERATION, Some(patient.name), settings)? else { return Ok(()) };
        let is_later = !settings.is_empty() || ASYNCHRONOUS.iter().any(|service| callers.contains(*service));
        let is_heard = settings.iter().any(|settings| settings["DestinationConfig"]["OnFailure"]["Destination"].is_string())
            || configuration["DeadLetterConfig"]["TargetArn"].as_str().is_some_and(|arn| !arn.is_empty());
        if is_later && !is_heard {
            patient.findings.push(advice::lost_events(&patient.whose));
        }
        Ok(())
    }

    async fn concurrency(&mut self, patient: &mut Patient<'_>) -> anyhow::Result<()> {
        const PROVISIONED: &str = "ListProvisionedConcurrencyConfigs";
        let reserved = self.client.get("GetFunctionConcurrency", &patient.at("2019-09-30", "concurrency"), "").await;
        if let Some(reserved) = self.seen("GetFunctionConcurrency", Some(patient.name), reserved)? {
            match reserved.and_then(|told| told["ReservedConcurrentExecutions"].as_i64()) {
                Some(0) => patient.findings.push(advice::switched_off(&patient.whose)),
                Some(_) => {}
                None => self.unreserved += 1,
            }
        }
        let path = patient.at("2019-09-30", "provisioned-concurrency");
        let provisioned = self.client.list(PROVISIONED, &path, "List=ALL", "ProvisionedConcurrencyConfigs").await;
        let provisioned = self.seen(PROVISIONED, Some(patient.name), provisioned)?.unwrap_or_default();
        for config in provisioned.iter().filter(|config| config["Status"] == "FAILED") {
            let qualifier = config["FunctionArn"].as_str().and_then(|arn| arn.split(':').nth(7)).unwrap_or_default();
            let whose = format!("function `{}:{qualifier}`", patient.name);
            let why = config["StatusReason"].as_str().unwrap_or("no reason is told");
            patient.findings.push(advice::not_provisioned(&whose, why));
        }
        Ok(())
    }

    async fn urls(&mut self, patient: &mut Patient<'_>) -> anyhow::Result<Vec<String>> {
        let path = patient.at("2021-10-31", "urls");
        let mut urls = Vec::new();
        let configs = self.client.list("ListFunctionUrlConfigs", &path, "", "FunctionUrlConfigs").await;
        for config in self.seen("ListFunctionUrlConfigs", Some(patient.name), configs)?.unwrap_or_default() {
            let url = config["FunctionUrl"].as_str().unwrap_or_default();
            if config["AuthType"] == "NONE" {
                patient.findings.push(advice::open_url(&patient.whose, url));
            }
            urls.push(url.to_owned());
        }
        Ok(urls)
    }

    async fn role(&mut self, patient: &mut Patient<'_>, configuration: &Value) -> anyhow::Result<()> {
        let role = configuration["Role"].as_str().and_then(|arn| arn.split_once(":role/"));
        let Some(role) = role.and_then(|(_, path)| path.rsplit('/').next()) else { return Ok(()) };
        let is_there = match self.roles.get(role) {
            Some(is_there) => *is_there,
            None => {
                let told = there(self.client.query("iam", ROLE_OPERATION, &[("RoleName", role)]).await?);
                let Some(told) = self.seen(ROLE_OPERATION, Some(patient.name), told)? else { return Ok(()) };
                told.is_some()
            }
        };
        self.roles.insert(role.to_owned(), is_there);
        if !is_there {
            patient.findings.push(advice::no_role(&patient.whose, role));
        }
        Ok(())
    }

    async fn account(&mut self) -> anyhow::Result<()> {
        let settings = self.client.get("GetAccountSettings", "/2016-08-19/account-settings", "").await;
        let Some(settings) = self.seen("GetAccountSettings", None, settings)? else { return Ok(()) };
        let settings = settings.unwrap_or_default();
        let limit = |name: &str| settings["AccountLimit"][name].as_i64().unwrap_or_default();
        let shared = advice::shared(limit("ConcurrentExecutions"), limit("UnreservedConcurrentExecutions"), self.unreserved);
        self.findings.extend(shared.map(|advice| Finding::of(None, advice)));
        Ok(())
    }
}

/// Its code or its last change may have failed.
fn state(whose: &str, configuration: &Value) -> Option<Advice> {
    let told = |name: &str| configuration[name].as_str().filter(|text| !text.is_empty());
    let (status, reason) = match (told("State"), told("LastUpdateStatus")) {
        (Some("Failed"), _) => ("State", "StateReason"),
        (_, Some("Failed")) => ("LastUpdateStatus", "LastUpdateStatusReason"),
        _ => return None,
    };
    Some(advice::failed(whose, told(reason).unwrap_or(status)))
}

fn secrets(whose: &str, configuration: &Value) -> Vec<Advice> {
    let variables = configuration["Environment"]["Variables"].as_object();
    let texts = variables.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?)));
    texts.filter_map(|(name, value)| advice::secret(whose, name, value)).collect()
}
