//! Makes one change, and waits until it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::look::mark_of;
use super::roles;
use super::stage::Stage;
use crate::cli::api::there;
use crate::limits::sam::{ACTIVE_MS, ACTIVE_POLL_MS};
use crate::percent::encoded;
use crate::sam::{Difference, FoundThing, PlannedChange, Proposal, ThingKey, ThingMembers, later_told};

pub(super) async fn apply(stage: &mut Stage<'_>, change: &PlannedChange, there: Option<&FoundThing>) -> anyhow::Result<()> {
    let differences = match &change.proposal {
        Proposal::Keep => return Ok(()),
        Proposal::Remove => return stage.remove(&change.key, there).await,
        Proposal::Create => None,
        Proposal::Update(differences) => Some(differences.as_slice()),
    };
    let thing = stage.plan.things.iter().find(|thing| thing.key == change.key).context("the plan does not have it")?;
    let known = &stage.known;
    let members: ThingMembers = thing.members.iter().map(|(member, value)| (*member, later_told(value, known))).collect();
    match (&change.key, differences) {
        (ThingKey::Role(name), None) => roles::create(stage, name, &members).await,
        (ThingKey::Role(name), Some(_)) => roles::update(stage, name, &members, there.context("the role is gone")?).await,
        (ThingKey::Layer(name), _) => stage.publish_layer(name, &members).await,
        (ThingKey::Function(name), None) => stage.create_function(name, &members).await,
        (ThingKey::Function(name), Some(differences)) => stage.update_function(name, &members, differences, there).await,
        (ThingKey::Alias { function, alias }, differences) => stage.move_alias(function, alias, differences.is_none()).await,
        (ThingKey::Url { function, alias }, differences) => {
            stage.put_url(function, alias.as_deref(), &members, differences.is_none()).await
        }
        (ThingKey::Provisioned { function, alias }, _) => {
            let path = format!("/2019-09-30/functions/{}/provisioned-concurrency", encoded(function));
            stage.send("PutProvisionedConcurrencyConfig", Method::PUT, &path, &qualifier(Some(alias)), &json!(members)).await?;
            Ok(())
        }
        (ThingKey::EventInvoke { function, alias }, _) => {
            let path = format!("/2019-09-25/functions/{}/event-invoke-config", encoded(function));
            let query = qualifier(alias.as_deref());
            // A null is no number.
            let body: ThingMembers = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
            stage.send("PutFunctionEventInvokeConfig", Method::PUT, &path, &query, &json!(body)).await?;
            Ok(())
        }
        (ThingKey::Permission { function, alias, sid }, differences) => {
            if differences.is_some() {
                stage.remove(&change.key, there).await?;
            }
            let mut body = json!(members);
            body["StatementId"] = sid.as_str().into();
            let path = format!("/2015-03-31/functions/{}/policy", encoded(function));
            stage.send("AddPermission", Method::POST, &path, &qualifier(alias.as_deref()), &body).await?;
            Ok(())
        }
    }
}

fn qualifier(alias: Option<&str>) -> String {
    alias.map(|alias| format!("Qualifier={}", encoded(alias))).unwrap_or_default()
}

fn function_path(name: &str) -> String {
    format!("/2015-03-31/functions/{}", encoded(name))
}

impl Stage<'_> {
    async fn send(
        &mut self,
        operation: &'static str,
        method: Method,
        path: &str,
        query: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        Ok(self.client.lambda(operation, method, path, query, body).await??)
    }

    fn archive(&self, members: &ThingMembers) -> anyhow::Result<String> {
        let sha256 = members["CodeSha256"].as_str().unwrap_or_default();
        let archive = self.plan.archives.get(sha256).context("its code is not in the plan")?;
        Ok(STANDARD.encode(&archive.bytes))
    }

    async fn publish_layer(&mut self, name: &str, members: &ThingMembers) -> anyhow::Result<()> {
        let mut body = json!({"Content": {"ZipFile": self.archive(members)?}});
        for member in ["Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"] {
            let is_empty = members[member] == "" || members[member] == json!([]);
            if !is_empty {
                body[member] = members[member].clone();
            }
        }
        let path = format!("/2018-10-31/layers/{}/versions", encoded(name));
        let told = self.send("PublishLayerVersion", Method::POST, &path, "", &body).await?;
        let arn = told["LayerVersionArn"].as_str().context("PublishLayerVersion tells no ARN")?;
        self.known.insert(format!("\0layer:{name}\0"), arn.to_owned());
        Ok(())
    }

    async fn create_function(&mut self, name: &str, members: &ThingMembers) -> anyhow::Result<()> {
        let mut body = configuration(members);
        body["FunctionName"] = name.into();
        body["Code"] = json!({"ZipFile": self.archive(members)?});
        body["Architectures"] = members["Architectures"].clone();
        body["Tags"] = members["Tags"].clone();
        self.send("CreateFunction", Method::POST, "/2015-03-31/functions", "", &body).await?;
        self.settled(name, None).await?;
        self.reserve(name, &members["ReservedConcurrentExecutions"], true).await
    }

    async fn update_function(
        &mut self,
        name: &str,
        members: &ThingMembers,
        differences: &[Difference],
        there: Option<&FoundThing>,
    ) -> anyhow::Result<()> {
        let changed: BTreeSet<&str> =
            differences.iter().map(|difference| difference.member.split('.').next().unwrap_or_default()).collect();
        let path = function_path(name);
        let has_new_code = changed.contains("CodeSha256") || changed.contains("Architectures");
        let of_others = ["CodeSha256", "Architectures", "Tags", "ReservedConcurrentExecutions"];
        if changed.iter().any(|member| !of_others.contains(member)) {
            self.send("UpdateFunctionConfiguration", Method::PUT, &format!("{path}/configuration"), "", &configuration(members))
                .await?;
            let settled = self.settled(name, None).await;
            // A new handler may be in the new code.
            if !has_new_code {
                settled?;
            }
        }
        if has_new_code {
            let body = json!({"ZipFile": self.archive(members)?, "Architectures": members["Architectures"]});
            self.send("UpdateFunctionCode", Method::PUT, &format!("{path}/code"), "", &body).await?;
            self.settled(name, None).await?;
        }
        if changed.contains("Tags") {
            let tags_path = format!("/2017-03-31/tags/{}", encoded(&self.account.function_arn(name)));
            let old = there.and_then(|there| there.members.get("Tags")?.as_object());
            let gone = old.into_iter().flat_map(|old| old.keys()).filter(|key| members["Tags"].get(key.as_str()).is_none());
            let gone: Vec<String> = gone.map(|key| format!("tagKeys={}", encoded(key))).collect();
            if !gone.is_empty() {
                self.send("UntagResource", Method::DELETE, &tags_path, &gone.join("&"), &Value::Null).await?;
            }
            self.send("TagResource", Method::POST, &tags_path, "", &json!({"Tags": members["Tags"]})).await?;
        }
        if changed.contains("ReservedConcurrentExecutions") {
            self.reserve(name, &members["ReservedConcurrentExecutions"], false).await?;
        }
        Ok(())
    }

    async fn reserve(&mut self, name: &str, wanted: &Value, is_new: bool) -> anyhow::Result<()> {
        let path = format!("/2017-10-31/functions/{}/concurrency", encoded(name));
        if !wanted.is_null() {
            let body = json!({"ReservedConcurrentExecutions": wanted});
            self.send("PutFunctionConcurrency", Method::PUT, &path, "", &body).await?;
        } else if !is_new {
            self.send("DeleteFunctionConcurrency", Method::DELETE, &path, "", &Value::Null).await?;
        }
        Ok(())
    }

    /// Publishes a version, and lets the alias lead to it when it is there.
    async fn move_alias(&mut self, function: &str, alias: &str, is_new: bool) -> anyhow::Result<()> {
        let path = function_path(function);
        let told = self.send("PublishVersion", Method::POST, &format!("{path}/versions"), "", &json!({})).await?;
        let number = told["Version"].as_str().context("PublishVersion tells no version")?.to_owned();
        self.settled(function, Some(&number)).await?;
        let mut body = json!({"FunctionVersion": number, "Description": mark_of(&self.plan.stack)});
        if is_new {
            body["Name"] = alias.into();
            self.send("CreateAlias", Method::POST, &format!("{path}/aliases"), "", &body).await?;
        } else {
            self.send("UpdateAlias", Method::PUT, &format!("{path}/aliases/{}", encoded(alias)), "", &body).await?;
        }
        self.known.insert(format!("\0version:{function}\0"), self.account.qualified_arn(function, &number));
        Ok(())
    }

    async fn put_url(&mut self, function: &str, alias: Option<&str>, members: &ThingMembers, is_new: bool) -> anyhow::Result<()> {
        let path = format!("/2021-10-31/functions/{}/url", encoded(function));
        let (operation, method) =
            if is_new { ("CreateFunctionUrlConfig", Method::POST) } else { ("UpdateFunctionUrlConfig", Method::PUT) };
        let mut body = json!(members);
        if is_new && body["Cors"] == json!({}) {
            body["Cors"].take();
        }
        let told = self.send(operation, method, &path, &qualifier(alias), &body).await?;
        let mark = format!("\0url:{function}:{}\0", alias.unwrap_or_default());
        self.known.insert(mark, told["FunctionUrl"].as_str().unwrap_or_default().to_owned());
        Ok(())
    }

    async fn remove(&mut self, key: &ThingKey, found: Option<&FoundThing>) -> anyhow::Result<()> {
        let of = |date: &str, function: &str, part: &str| format!("/{date}/functions/{}{part}", encoded(function));
        let (operation, path, query) = match key {
            ThingKey::Role(name) => return roles::delete(self, name, found.context("the role is gone")?).await,
            // Versions of layers are kept: see the template's `RetentionPolicy`.
            ThingKey::Layer(_) => return Ok(()),
            ThingKey::Function(name) => ("DeleteFunction", of("2015-03-31", name, ""), String::new()),
            ThingKey::Alias { function, alias } => {
                ("DeleteAlias", of("2015-03-31", function, &format!("/aliases/{}", encoded(alias))), String::new())
            }
            ThingKey::Url { function, alias } => {
                ("DeleteFunctionUrlConfig", of("2021-10-31", function, "/url"), qualifier(alias.as_deref()))
            }
            ThingKey::Provisioned { function, alias } => (
                "DeleteProvisionedConcurrencyConfig",
                of("2019-09-30", function, "/provisioned-concurrency"),
                qualifier(Some(alias)),
            ),
            ThingKey::EventInvoke { function, alias } => (
                "DeleteFunctionEventInvokeConfig",
                of("2019-09-25", function, "/event-invoke-config"),
                qualifier(alias.as_deref()),
            ),
            ThingKey::Permission { function, alias, sid } => (
                "RemovePermission",
                of("2015-03-31", function, &format!("/policy/{}", encoded(sid))),
                qualifier(alias.as_deref()),
            ),
        };
        // What has gone with something else is gone.
        there(self.client.lambda(operation, Method::DELETE, &path, &query, &Value::Null).await?)?;
        Ok(())
    }

    /// Waits until a function, or a version of it, is Active and its last change Successful.
    async fn settled(&mut self, name: &str, version: Option<&str>) -> anyhow::Result<()> {
        let path = format!("{}/configuration", function_path(name));
        let until = Instant::now() + Duration::from_millis(ACTIVE_MS);
        loop {
            let told = self.send("GetFunctionConfiguration", Method::GET, &path, &qualifier(version), &Value::Null).await?;
            let (state, update) =
                (told["State"].as_str().unwrap_or_default(), told["LastUpdateStatus"].as_str().unwrap_or("Successful"));
            match (state, update) {
                ("Active", "Successful") => return Ok(()),
                ("Failed", _) => {
                    anyhow::bail!("it does not start: {}", told["StateReason"].as_str().unwrap_or("no reason is told"))
                }
                (_, "Failed") => {
                    anyhow::bail!(
                        "the change failed, and what was there serves on: {}",
                        told["LastUpdateStatusReason"].as_str().unwrap_or("no reason is told")
                    )
                }
                _ if Instant::now() > until => anyhow::bail!("it is not Active after {} s", ACTIVE_MS / 1_000),
                _ => tokio::time::sleep(Duration::from_millis(ACTIVE_POLL_MS)).await,
            }
        }
    }
}

/// What `UpdateFunctionConfiguration` takes.
fn configuration(members: &ThingMembers) -> Value {
    let names = [
        "Role",
        "Handler",
        "Runtime",
        "Description",
        "Timeout",
        "MemorySize",
        "Environment",
        "Layers",
        "EphemeralStorage",
        "TracingConfig",
        "SnapStart",
        "LoggingConfig",
        "DeadLetterConfig",
        "VpcConfig",
    ];
    let mut body = json!(names.iter().map(|name| (*name, members[name].clone())).collect::<BTreeMap<_, _>>());
    // Without variables it has none, also if it had some.
    if body["Environment"] == json!({}) {
        body["Environment"] = json!({"Variables": {}});
    }
    // And without subnets it is attached to nothing.
    if body["VpcConfig"] == json!({}) {
        body["VpcConfig"] = json!({"SubnetIds": [], "SecurityGroupIds": []});
    }
    body
}
