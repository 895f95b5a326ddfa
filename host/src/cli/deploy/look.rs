//! What a host has of a stack: asked once, before anything is shown.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::found_roles;
use crate::account::Account;
use crate::cli::api::ApiClient;
use crate::percent::encoded;
use crate::sam::{FoundStack, FoundThing, Owner, STACK_TAG, StackPlan, ThingKey};

/// What an alias of a stack has as its description.
pub(super) fn mark_of(stack: &str) -> String {
    format!("{STACK_TAG}={stack}")
}

pub(super) async fn look(client: &mut ApiClient, plan: &StackPlan, account: &Account) -> anyhow::Result<FoundStack> {
    let mut look = Look { client, plan, account, found: FoundStack::default() };
    let planned: BTreeSet<&str> = plan.things.iter().filter_map(|thing| thing.key.function()).collect();
    for name in planned {
        look.function(name).await?;
    }
    look.left_over().await?;
    for thing in &plan.things {
        if let ThingKey::Layer(name) = &thing.key {
            look.layer(name).await?;
        }
    }
    found_roles::look(look.client, plan, &mut look.found).await?;
    Ok(look.found)
}

struct Look<'l> {
    client: &'l mut ApiClient,
    plan: &'l StackPlan,
    account: &'l Account,
    found: FoundStack,
}

impl Look<'_> {
    fn put(&mut self, key: ThingKey, members: BTreeMap<&'static str, Value>, owner: Owner) {
        self.found.things.insert(key, FoundThing { members, owner });
    }

    async fn function(&mut self, name: &str) -> anyhow::Result<()> {
        let Some(mut told) = self.client.get("GetFunction", &format!("/2015-03-31/functions/{}", encoded(name)), "").await?
        else {
            return Ok(());
        };
        let tags = told["Tags"].take();
        let owner = tags[STACK_TAG].as_str().map_or(Owner::Nobody, |stack| Owner::Stack(stack.to_owned()));
        let is_ours = owner == Owner::Stack(self.plan.stack.clone());
        let mut members = version_members(&told["Configuration"]);
        members.extend([
            ("Description", told["Configuration"]["Description"].clone()),
            ("ReservedConcurrentExecutions", told["Concurrency"]["ReservedConcurrentExecutions"].clone()),
            ("Tags", if tags.is_null() { json!({}) } else { tags }),
        ]);
        if told["Configuration"]["State"] == "Failed" || told["Configuration"]["LastUpdateStatus"] == "Failed" {
            // What has failed is sent again.
            members.insert("CodeSha256", json!("(failed)"));
        }
        self.put(ThingKey::Function(name.to_owned()), members, owner.clone());
        let parts_owner = if is_ours { owner } else { Owner::Shared };
        let aliases = self.aliases(name, &parts_owner).await?;
        self.urls(name, &parts_owner).await?;
        self.settings(name, &parts_owner).await?;
        for alias in aliases.into_iter().map(Some).chain([None]) {
            self.policy(name, alias.as_deref()).await?;
        }
        Ok(())
    }

    async fn aliases(&mut self, name: &str, owner: &Owner) -> anyhow::Result<Vec<String>> {
        let path = format!("/2015-03-31/functions/{}", encoded(name));
        let mut names = Vec::new();
        for alias in self.client.list("ListAliases", &format!("{path}/aliases"), "", "Aliases").await? {
            let Some(alias_name) = alias["Name"].as_str().map(str::to_owned) else { continue };
            let is_ours = alias["Description"] == mark_of(&self.plan.stack).as_str();
            let query = format!("Qualifier={}", encoded(&alias_name));
            let Some(told) = self.client.get("GetFunctionConfiguration", &format!("{path}/configuration"), &query).await? else {
                continue;
            };
            let members = version_members(&told).into_iter().map(|(member, value)| (member.to_owned(), value));
            let key = ThingKey::Alias { function: name.to_owned(), alias: alias_name.clone() };
            let is_planned = self.plan.things.iter().any(|thing| thing.key == key);
            if is_planned {
                let number = told["Version"].as_str().unwrap_or_default();
                self.found.known.insert(format!("\0version:{name}\0"), self.account.qualified_arn(name, number));
            }
            if is_planned || is_ours {
                let owner = if is_ours { owner.clone() } else { Owner::Shared };
                self.put(key, BTreeMap::from([("Version", members.collect::<Map<_, _>>().into())]), owner);
            }
            names.push(alias_name);
        }
        Ok(names)
    }

    async fn urls(&mut self, name: &str, owner: &Owner) -> anyhow::Result<()> {
        let path = format!("/2021-10-31/functions/{}/urls", encoded(name));
        for mut url in self.client.list("ListFunctionUrlConfigs", &path, "", "FunctionUrlConfigs").await? {
            let alias = qualifier(&url["FunctionArn"]);
            let mark = format!("\0url:{name}:{}\0", alias.as_deref().unwrap_or_default());
            self.found.known.insert(mark, url["FunctionUrl"].as_str().unwrap_or_default().to_owned());
            let members = ["AuthType", "InvokeMode", "Cors"].map(|member| (member, url[member].take()));
            self.put(ThingKey::Url { function: name.to_owned(), alias }, members.into(), owner.clone());
        }
        Ok(())
    }

    /// Of asynchronous calls, and provisioned concurrency.
    async fn settings(&mut self, name: &str, owner: &Owner) -> anyhow::Result<()> {
        let path = format!("/2019-09-25/functions/{}/event-invoke-config/list", encoded(name));
        for mut config in self.client.list("ListFunctionEventInvokeConfigs", &path, "", "FunctionEventInvokeConfigs").await? {
            let alias = qualifier(&config["FunctionArn"]).filter(|qualifier| qualifier != "$LATEST");
            let names = ["MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"];
            let members = names.map(|member| (member, config[member].take()));
            self.put(ThingKey::EventInvoke { function: name.to_owned(), alias }, members.into(), owner.clone());
        }
        let path = format!("/2019-09-30/functions/{}/provisioned-concurrency", encoded(name));
        for config in
            self.client.list("ListProvisionedConcurrencyConfigs", &path, "List=ALL", "ProvisionedConcurrencyConfigs").await?
        {
            let Some(alias) = qualifier(&config["FunctionArn"]) else { continue };
            let wanted = config["RequestedProvisionedConcurrentExecutions"].clone();
            let members = BTreeMap::from([("ProvisionedConcurrentExecutions", wanted)]);
            self.put(ThingKey::Provisioned { function: name.to_owned(), alias }, members, owner.clone());
        }
        Ok(())
    }

    /// Only the statements of the stack: others are others'.
    async fn policy(&mut self, name: &str, alias: Option<&str>) -> anyhow::Result<()> {
        let query = alias.map(|alias| format!("Qualifier={}", encoded(alias))).unwrap_or_default();
        let path = format!("/2015-03-31/functions/{}/policy", encoded(name));
        let Some(told) = self.client.get("GetPolicy", &path, &query).await? else { return Ok(()) };
        let document = told["Policy"].as_str().unwrap_or("{}");
        let document: Value = serde_json::from_str(document).context("GetPolicy tells no policy")?;
        for statement in document["Statement"].as_array().into_iter().flatten() {
            let sid = statement["Sid"].as_str().unwrap_or_default();
            if sid.starts_with(&format!("{}_", self.plan.stack)) {
                let key =
                    ThingKey::Permission { function: name.to_owned(), alias: alias.map(str::to_owned), sid: sid.to_owned() };
                self.put(key, permission_members(statement), Owner::Stack(self.plan.stack.clone()));
            }
        }
        Ok(())
    }

    /// Functions of the stack that the plan does not have.
    async fn left_over(&mut self) -> anyhow::Result<()> {
        for function in self.client.list("ListFunctions", "/2015-03-31/functions", "", "Functions").await? {
            let Some(name) = function["FunctionName"].as_str() else { continue };
            let key = ThingKey::Function(name.to_owned());
            if self.found.things.contains_key(&key) {
                continue;
            }
            let path = format!("/2017-03-31/tags/{}", encoded(&self.account.function_arn(name)));
            let tags = self.client.get("ListTags", &path, "").await?.unwrap_or_default();
            if tags["Tags"][STACK_TAG] == self.plan.stack.as_str() {
                self.put(key, BTreeMap::new(), Owner::Stack(self.plan.stack.clone()));
            }
        }
        Ok(())
    }

    /// The newest version. Nobody owns a layer: a version, once published, stays what it is.
    async fn layer(&mut self, name: &str) -> anyhow::Result<()> {
        let path = format!("/2018-10-31/layers/{}/versions", encoded(name));
        let Some(versions) = self.client.get("ListLayerVersions", &path, "MaxItems=1").await? else { return Ok(()) };
        let Some(number) = versions["LayerVersions"][0]["Version"].as_u64() else { return Ok(()) };
        let Some(mut told) = self.client.get("GetLayerVersion", &format!("{path}/{number}"), "").await? else { return Ok(()) };
        let arn = told["LayerVersionArn"].as_str().unwrap_or_default().to_owned();
        self.found.known.insert(format!("\0layer:{name}\0"), arn);
        let names = ["Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"];
        let mut members = BTreeMap::from(names.map(|member| (member, told[member].take())));
        members.insert("CodeSha256", told["Content"]["CodeSha256"].take());
        self.put(ThingKey::Layer(name.to_owned()), members, Owner::Shared);
        Ok(())
    }
}

/// What is behind the name in the ARN of a function.
fn qualifier(arn: &Value) -> Option<String> {
    arn.as_str()?.split(':').nth(7).map(str::to_owned)
}

/// What a version of a function consists of.
fn version_members(configuration: &Value) -> BTreeMap<&'static str, Value> {
    let same = [
        "Runtime",
        "Handler",
        "Timeout",
        "MemorySize",
        "EphemeralStorage",
        "TracingConfig",
        "Architectures",
        "Environment",
        "LoggingConfig",
        "DeadLetterConfig",
        "CodeSha256",
        "Role",
    ];
    let mut members = BTreeMap::from(same.map(|member| (member, configuration[member].clone())));
    let layers: Vec<Value> = configuration["Layers"].as_array().into_iter().flatten().map(|layer| layer["Arn"].clone()).collect();
    let vpc = &configuration["VpcConfig"];
    members.extend([
        ("Layers", layers.into()),
        ("SnapStart", snap_start(&configuration["SnapStart"])),
        (
            "VpcConfig",
            json!({
                "SubnetIds": vpc["SubnetIds"],
                "SecurityGroupIds": vpc["SecurityGroupIds"],
                "Ipv6AllowedForDualStack": vpc["Ipv6AllowedForDualStack"].as_bool().filter(|allowed| *allowed),
            }),
        ),
    ]);
    members
}

/// As it was sent: a function of which nothing is said begins with a snapshot.
fn snap_start(told: &Value) -> Value {
    if told["ApplyOn"] == "None" && told["OptimizationStatus"] == "On" { json!({}) } else { json!({"ApplyOn": told["ApplyOn"]}) }
}

/// A statement as `AddPermission` was sent it.
fn permission_members(statement: &Value) -> BTreeMap<&'static str, Value> {
    let principal = match &statement["Principal"] {
        Value::Object(principal) => principal.values().next().cloned().unwrap_or_default(),
        principal => principal.clone(),
    };
    let mut members = BTreeMap::from([("Action", statement["Action"].clone()), ("Principal", principal)]);
    for (operator, key, member) in [
        ("StringEquals", "lambda:FunctionUrlAuthType", "FunctionUrlAuthType"),
        ("StringEquals", "AWS:SourceAccount", "SourceAccount"),
        ("StringEquals", "lambda:EventSourceToken", "EventSourceToken"),
        ("StringEquals", "aws:PrincipalOrgID", "PrincipalOrgID"),
        ("ArnLike", "AWS:SourceArn", "SourceArn"),
    ] {
        let value = &statement["Condition"][operator][key];
        if !value.is_null() {
            members.insert(member, value.clone());
        }
    }
    if statement["Condition"]["Bool"]["lambda:InvokedViaFunctionUrl"] == "true" {
        members.insert("InvokedViaFunctionUrl", true.into());
    }
    members
}
