//! What has been read of the resources of a template so far, before it is put in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::edge::EventRoute;
use super::fields::{Placed, PropertyReader};
use super::plan::{CodeArchive, Thing, ThingKey};
use super::reference::Reference;
use super::resolve::NameScope;

/// The tag by which a stack knows what it owns.
pub const STACK_TAG: &str = "edgeward:stack";
/// The name of the resource that it is.
pub const RESOURCE_TAG: &str = "edgeward:resource";

pub(super) struct ResourceReading<'r, 't> {
    pub(super) scope: &'r NameScope<'t>,
    /// Where paths begin.
    pub(super) folder: &'r Path,
    pub(super) roles: Vec<Thing>,
    pub(super) layers: Vec<Thing>,
    /// Each with its alias and its URL.
    pub(super) functions: Vec<Vec<Thing>>,
    /// What needs that all functions are there.
    pub(super) after: Vec<Thing>,
    pub(super) routes: Vec<EventRoute>,
    pub(super) archives: BTreeMap<String, CodeArchive>,
    /// Functions that are called without anybody who waits for the reply.
    pub(super) asynchronous: BTreeSet<String>,
}

impl<'r, 't> ResourceReading<'r, 't> {
    pub(super) fn of(scope: &'r NameScope<'t>, folder: &'r Path) -> ResourceReading<'r, 't> {
        ResourceReading {
            scope,
            folder,
            roles: Vec::new(),
            layers: Vec::new(),
            functions: Vec::new(),
            after: Vec::new(),
            routes: Vec::new(),
            archives: BTreeMap::new(),
            asynchronous: BTreeSet::new(),
        }
    }

    pub(super) fn reference(&self, logical: &str) -> Option<Reference> {
        self.scope.resources.as_ref()?.get(logical).filter(|reference| **reference != Reference::Broken).cloned()
    }

    /// With which everything that can have tags is marked.
    pub(super) fn tags(&self, logical: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(STACK_TAG.to_owned(), self.scope.stack.to_owned()), (RESOURCE_TAG.to_owned(), logical.to_owned())])
    }

    /// The hash of what is at a path.
    pub(super) fn package(&mut self, fields: &PropertyReader<'_>, key: &'static str) -> Option<String> {
        let node = fields.node(key)?;
        let Some(text) = node.as_text() else {
            let remedy = "a folder or a zip archive beside the template";
            fields.report.error(&node.span, format!("`{key}` of {} is {}", fields.owner, node.kind()), remedy);
            return None;
        };
        let written = Placed { text: text.to_owned(), span: node.span.clone() };
        if text.starts_with("s3:") || text.starts_with("https:") {
            let remedy = "a folder or a zip archive beside the template";
            fields.report.error(&written.span, format!("`{text}` is not fetched"), remedy);
            return None;
        }
        match CodeArchive::of(&self.folder.join(text)) {
            Ok(archive) => Some(self.keep(archive)),
            Err(why) => {
                let message = format!("`{text}` cannot be sent: {why}");
                fields.report.error(&written.span, message, format!("`{key}` is a folder or a zip archive"));
                None
            }
        }
    }

    pub(super) fn keep(&mut self, archive: CodeArchive) -> String {
        let sha256 = archive.sha256();
        self.archives.insert(sha256.clone(), archive);
        sha256
    }

    /// Everything in the order in which it can be made.
    pub(super) fn things(&mut self) -> Vec<Thing> {
        let mut things = std::mem::take(&mut self.roles);
        things.append(&mut self.layers);
        let mut waiting = std::mem::take(&mut self.functions);
        while !waiting.is_empty() {
            // One that names no URL or version of those that wait.
            let makers: Vec<(usize, String)> = waiting
                .iter()
                .enumerate()
                .flat_map(|(index, group)| {
                    let marks = group.iter().flat_map(|thing| made_by(&thing.key));
                    marks.map(move |mark| (index, mark))
                })
                .collect();
            let is_free = |index: usize| {
                let needed = waiting[index].iter().flat_map(|thing| thing.members.values()).flat_map(super::later::marks);
                needed.into_iter().all(|mark| !makers.iter().any(|(other, made)| *other != index && *made == mark))
            };
            let Some(free) = (0..waiting.len()).find(|index| is_free(*index)) else {
                let names: Vec<&str> = waiting.iter().filter_map(|group| group.first()?.key.function()).collect();
                let message = format!("functions need each other's URLs or versions: {}", names.join(", "));
                self.scope.report.error(&(0..1), message, "one of them must do without");
                break;
            };
            things.extend(waiting.remove(free));
        }
        things.append(&mut self.after);
        things
    }
}

/// What is known when a thing has been made.
fn made_by(key: &ThingKey) -> Vec<String> {
    use super::later;
    match key {
        ThingKey::Alias { function, .. } => vec![later::version(function)],
        ThingKey::Url { function, alias } => vec![later::url(function, alias.as_deref())],
        _ => Vec::new(),
    }
}
