//! Names, and what they lead to: the folders, files and links of a `/tmp`, without their bytes.
//!
//! All of it is in memory and bounded: names by their number and their bytes, files by the blocks that they may have. A hole
//! counts as what it could hold, so that a file is never larger than its folder. A file that is open outlives its name. No
//! path leads out of the folder that it begins in, whatever `..` and links say. Links are relative; nothing is absolute.
//!
//! Nodes are in one list and name each other by their place in it: to drop a tree never recurses, however deep it is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::blocks::BlockNumber;
use crate::limits::tmp::{BLOCK_BYTES, LINK_BYTES, LINKS, NAME_BYTES, NAMES, NAMES_BYTES, PATH_BYTES};

pub(super) type TreeResult<T> = Result<T, ErrorCode>;

/// A node, by its place.
pub(super) type NodeId = u32;

/// The folder itself.
pub(super) const ROOT: NodeId = 0;

/// See the module.
#[derive(Clone)]
pub(super) struct Tree {
    nodes: Vec<Option<TreeNode>>,
    free: Vec<NodeId>,
    names: usize,
    names_bytes: usize,
    blocks: u64,
    blocks_max: u64,
    made: u64,
    /// Blocks of the instance's own that no file has any more.
    pub(super) dropped: Vec<BlockNumber>,
}

/// A folder, file or link.
#[derive(Clone)]
pub(super) struct TreeNode {
    pub(super) kind: NodeKind,
    /// Names that lead to it.
    pub(super) links: u32,
    /// Descriptors and streams that it is open in.
    open: u32,
    /// No other node had it, or will have.
    pub(super) number: u64,
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
}

#[derive(Clone)]
pub(super) enum NodeKind {
    Folder { entries: BTreeMap<Arc<str>, NodeId>, parent: NodeId },
    File(FileBlocks),
    Link(Arc<str>),
}

/// A file's size, and its blocks by their numbers: one that is not there is all zeros. What is behind the end of the file in
/// its last block is zeros, too.
#[derive(Clone, Default)]
pub(super) struct FileBlocks {
    pub(super) bytes: u64,
    pub(super) blocks: BTreeMap<u64, Block>,
}

impl FileBlocks {
    /// What it takes, holes too.
    fn taken(&self) -> u64 {
        self.bytes.div_ceil(BLOCK_BYTES as u64)
    }
}

/// A block of the instance's own, or one that INIT has left, which is not written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    Own(BlockNumber),
    Kept(BlockNumber),
}

/// Where a path leads.
struct Found<'a> {
    folder: NodeId,
    /// `None` if the path ends in `.` or `..`.
    name: Option<&'a str>,
    node: Option<NodeId>,
    /// The path says so.
    is_folder: bool,
}

/// How a path is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileOpening {
    pub(super) follow: bool,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) folder: bool,
    pub(super) write: bool,
}

impl Tree {
    pub(super) fn new(bytes_max: u64) -> Tree {
        let mut tree = Tree {
            nodes: Vec::new(),
            free: Vec::new(),
            names: 0,
            names_bytes: 0,
            blocks: 0,
            blocks_max: bytes_max / BLOCK_BYTES as u64,
            made: 0,
            dropped: Vec::new(),
        };
        let root = tree.add(NodeKind::Folder { entries: BTreeMap::new(), parent: ROOT });
        tree.node_mut(root).links = 1;
        tree
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// Nodes that dropping it frees.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Nothing is open any more.
    pub(super) fn close(&mut self) {
        for id in (0..).take(self.nodes.len()) {
            if let Some(node) = &mut self.nodes[id as usize] {
                node.open = 0;
            }
            self.let_go(id);
        }
    }

    /// As an instance finds it that begins with it: nothing is open, and no block is its own.
    pub(super) fn settle(&mut self) {
        self.close();
        for node in self.nodes.iter_mut().flatten() {
            if let NodeKind::File(file) = &mut node.kind {
                for block in file.blocks.values_mut() {
                    if let Block::Own(number) = *block {
                        *block = Block::Kept(number);
                    }
                }
            }
        }
    }

    /// A node that somebody names: an entry, or what is open.
    pub(super) fn node(&self, id: NodeId) -> &TreeNode {
        self.nodes[id as usize].as_ref().expect("a node that is named has not been freed")
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut TreeNode {
        self.nodes[id as usize].as_mut().expect("a node that is named has not been freed")
    }

    pub(super) fn file(&self, id: NodeId) -> TreeResult<&FileBlocks> {
        match &self.node(id).kind {
            NodeKind::File(file) => Ok(file),
            NodeKind::Folder { .. } => Err(ErrorCode::IsDirectory),
            NodeKind::Link(_) => Err(ErrorCode::Invalid),
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> TreeResult<&mut FileBlocks> {
        match &mut self.node_mut(id).kind {
            NodeKind::File(file) => Ok(file),
            NodeKind::Folder { .. } => Err(ErrorCode::IsDirectory),
            NodeKind::Link(_) => Err(ErrorCode::Invalid),
        }
    }

    pub(super) fn retain(&mut self, id: NodeId) {
        self.node_mut(id).open += 1;
    }

    pub(super) fn release(&mut self, id: NodeId) {
        self.node_mut(id).open -= 1;
        self.let_go(id);
    }

    /// Sets the size of a file. What it grows by is a hole.
    pub(super) fn resize(&mut self, id: NodeId, bytes: u64) -> TreeResult<()> {
        let (before, after) = (self.file(id)?.taken(), bytes.div_ceil(BLOCK_BYTES as u64));
        let blocks = self.blocks - before + after.min(self.blocks_max + 1);
        if after > before && blocks > self.blocks_max {
            return Err(ErrorCode::InsufficientSpace);
        }
        self.blocks = blocks;
        let file = self.file_mut(id)?;
        file.bytes = bytes;
        let cut = file.blocks.split_off(&after);
        self.drop_blocks(cut);
        Ok(())
    }

    /// Finds what is to be opened, or makes it. It is not yet retained.
    pub(super) fn open(&mut self, base: NodeId, path: &str, how: FileOpening) -> TreeResult<NodeId> {
        let Found { folder, name, node, is_folder } = self.find(base, path, how.follow && !(how.create && how.exclusive))?;
        let Some(id) = node else {
            let name = name.filter(|_| how.create).ok_or(ErrorCode::NoEntry)?;
            if is_folder {
                return Err(ErrorCode::IsDirectory);
            }
            let name = Arc::from(name);
            self.check_room(folder, &name, 0)?;
            let id = self.add(NodeKind::File(FileBlocks::default()));
            self.enter(folder, name, id);
            return Ok(id);
        };
        if how.create && how.exclusive {
            return Err(ErrorCode::Exist);
        }
        match &self.node(id).kind {
            NodeKind::Link(_) => Err(ErrorCode::Loop),
            NodeKind::Folder { .. } if how.write || how.create => Err(ErrorCode::IsDirectory),
            NodeKind::File(_) if is_folder || how.folder => Err(ErrorCode::NotDirectory),
            _ => Ok(id),
        }
    }

    /// What a path leads to.
    pub(super) fn at(&self, base: NodeId, path: &str, follow: bool) -> TreeResult<NodeId> {
        let found = self.find(base, path, follow)?;
        let id = found.node.ok_or(ErrorCode::NoEntry)?;
        if found.is_folder && !matches!(self.node(id).kind, NodeKind::Folder { .. }) {
            return Err(ErrorCode::NotDirectory);
        }
        Ok(id)
    }

    pub(super) fn make_folder(&mut self, base: NodeId, path: &str) -> TreeResult<()> {
        let Found { folder, name, node, .. } = self.find(base, path, false)?;
        let name = match (node, name) {
            (None, Some(name)) => Arc::from(name),
            _ => return Err(ErrorCode::Exist),
        };
        self.check_room(folder, &name, 0)?;
        let id = self.add(NodeKind::Folder { entries: BTreeMap::new(), parent: folder });
        self.enter(folder, name, id);
        Ok(())
    }

    pub(super) fn remove_folder(&mut self, base: NodeId, path: &str) -> TreeResult<()> {
        let Found { folder, name, node, .. } = self.find(base, path, false)?;
        let id = node.ok_or(ErrorCode::NoEntry)?;
        let name: Arc<str> = name.ok_or(ErrorCode::Busy)?.into();
        match &self.node(id).kind {
            NodeKind::Folder { entries, .. } if entries.is_empty() => self.leave(folder, &name),
            NodeKind::Folder { .. } => return Err(ErrorCode::NotEmpty),
            _ => return Err(ErrorCode::NotDirectory),
        }
        Ok(())
    }

    pub(super) fn unlink(&mut self, base: NodeId, path: &str) -> TreeResult<()> {
        let Found { folder, name, node, is_folder } = self.find(base, path, false)?;
        let id = node.ok_or(ErrorCode::NoEntry)?;
        if matches!(self.node(id).kind, NodeKind::Folder { .. }) {
            return Err(ErrorCode::IsDirectory);
        }
        let name: Arc<str> = name.filter(|_| !is_folder).ok_or(ErrorCode::NotDirectory)?.into();
        self.leave(folder, &name);
        Ok(())
    }

    pub(super) fn rename(&mut self, base: NodeId, path: &str, new_base: NodeId, new_path: &str) -> TreeResult<()> {
        let from = self.find(base, path, false)?;
        let id = from.node.ok_or(ErrorCode::NoEntry)?;
        let to = self.find(new_base, new_path, false)?;
        let old_name: Arc<str> = from.name.ok_or(ErrorCode::Busy)?.into();
        let new_name: Arc<str> = to.name.ok_or(ErrorCode::Busy)?.into();
        let (old_folder, new_folder, replaced) = (from.folder, to.folder, to.node);
        let moves_folder = matches!(self.node(id).kind, NodeKind::Folder { .. });
        if !moves_folder && (from.is_folder || to.is_folder) {
            return Err(ErrorCode::NotDirectory);
        }
        if self.node(new_folder).links == 0 {
            return Err(ErrorCode::NoEntry);
        }
        if replaced == Some(id) {
            return Ok(());
        }
        if moves_folder && self.is_within(new_folder, id) {
            return Err(ErrorCode::Invalid);
        }
        match replaced.map(|id| &self.node(id).kind) {
            None => {}
            Some(NodeKind::Folder { .. }) if !moves_folder => return Err(ErrorCode::IsDirectory),
            Some(NodeKind::Folder { entries, .. }) if !entries.is_empty() => return Err(ErrorCode::NotEmpty),
            Some(NodeKind::File(_) | NodeKind::Link(_)) if moves_folder => return Err(ErrorCode::NotDirectory),
            Some(_) => {}
        }
        if self.names_bytes - old_name.len() + new_name.len() > NAMES_BYTES {
            return Err(ErrorCode::InsufficientSpace);
        }
        if replaced.is_some() {
            self.leave(new_folder, &new_name);
        }
        // It must not be freed while it has no name.
        self.retain(id);
        self.leave(old_folder, &old_name);
        self.enter(new_folder, new_name, id);
        self.release(id);
        if let NodeKind::Folder { parent, .. } = &mut self.node_mut(id).kind {
            *parent = new_folder;
        }
        Ok(())
    }

    /// Gives a file another name.
    pub(super) fn link(&mut self, base: NodeId, path: &str, new_base: NodeId, new_path: &str) -> TreeResult<()> {
        let id = self.at(base, path, false)?;
        if matches!(self.node(id).kind, NodeKind::Folder { .. }) {
            return Err(ErrorCode::NotPermitted);
        }
        let Found { folder, name, node, is_folder } = self.find(new_base, new_path, false)?;
        let name: Arc<str> = match (node, name) {
            (None, Some(name)) if !is_folder => name.into(),
            (None, _) => return Err(ErrorCode::NoEntry),
            _ => return Err(ErrorCode::Exist),
        };
        self.check_room(folder, &name, 0)?;
        self.enter(folder, name, id);
        Ok(())
    }

    pub(super) fn symlink(&mut self, target: &str, base: NodeId, path: &str) -> TreeResult<()> {
        if target.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        if target.is_empty() || target.contains('\0') {
            return Err(ErrorCode::Invalid);
        }
        if target.len() > LINK_BYTES {
            return Err(ErrorCode::NameTooLong);
        }
        let Found { folder, name, node, is_folder } = self.find(base, path, false)?;
        let name: Arc<str> = match (node, name) {
            (None, Some(name)) if !is_folder => name.into(),
            (None, _) => return Err(ErrorCode::NoEntry),
            _ => return Err(ErrorCode::Exist),
        };
        self.check_room(folder, &name, target.len())?;
        let id = self.add(NodeKind::Link(target.into()));
        self.names_bytes += target.len();
        self.enter(folder, name, id);
        Ok(())
    }

    pub(super) fn read_link(&self, base: NodeId, path: &str) -> TreeResult<String> {
        match &self.node(self.at(base, path, false)?).kind {
            NodeKind::Link(target) => Ok(target.to_string()),
            _ => Err(ErrorCode::Invalid),
        }
    }

    /// The first entry of a folder after this one.
    pub(super) fn entry_after(&self, id: NodeId, name: Option<&str>) -> TreeResult<Option<(Arc<str>, NodeId)>> {
        let after = name.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.entries(id)?.range::<str, _>((after, Bound::Unbounded)).next();
        Ok(next.map(|(name, id)| (name.clone(), *id)))
    }

    fn entries(&self, id: NodeId) -> TreeResult<&BTreeMap<Arc<str>, NodeId>> {
        match &self.node(id).kind {
            NodeKind::Folder { entries, .. } => Ok(entries),
            _ => Err(ErrorCode::NotDirectory),
        }
    }

    /// Follows a path. The steps are bounded by the path's length, and what links add by their own.
    fn find<'a>(&'a self, base: NodeId, path: &'a str, follow: bool) -> TreeResult<Found<'a>> {
        if path.is_empty() {
            return Err(ErrorCode::NoEntry);
        }
        if path.len() > PATH_BYTES {
            return Err(ErrorCode::NameTooLong);
        }
        if path.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        if path.contains('\0') {
            return Err(ErrorCode::Invalid);
        }
        let is_folder = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
        let mut left: Vec<&str> = steps(path).collect();
        let mut folders = vec![base];
        let mut links = 0;
        while let Some(step) = left.pop() {
            let folder = *folders.last().ok_or(ErrorCode::NotPermitted)?;
            let entries = self.entries(folder)?;
            if step == ".." {
                folders.pop();
                // Not even for a moment.
                if folders.is_empty() {
                    return Err(ErrorCode::NotPermitted);
                }
                continue;
            }
            if step.len() > NAME_BYTES {
                return Err(ErrorCode::NameTooLong);
            }
            let is_last = left.is_empty();
            let Some(&id) = entries.get(step) else {
                return if is_last {
                    Ok(Found { folder, name: Some(step), node: None, is_folder })
                } else {
                    Err(ErrorCode::NoEntry)
                };
            };
            match &self.node(id).kind {
                NodeKind::Link(target) if !is_last || follow || is_folder => {
                    links += 1;
                    if links > LINKS {
                        return Err(ErrorCode::Loop);
                    }
                    left.extend(steps(target));
                }
                _ if is_last => return Ok(Found { folder, name: Some(step), node: Some(id), is_folder }),
                _ => folders.push(id),
            }
        }
        let folder = *folders.last().ok_or(ErrorCode::NotPermitted)?;
        self.entries(folder)?;
        Ok(Found { folder, name: None, node: Some(folder), is_folder: true })
    }

    fn is_within(&self, mut folder: NodeId, outer: NodeId) -> bool {
        loop {
            if folder == outer {
                return true;
            }
            match self.node(folder).kind {
                NodeKind::Folder { parent, .. } if folder != ROOT => folder = parent,
                _ => return false,
            }
        }
    }

    /// Whether a folder may have another entry.
    fn check_room(&self, folder: NodeId, name: &str, more_bytes: usize) -> TreeResult<()> {
        if self.node(folder).links == 0 {
            return Err(ErrorCode::NoEntry);
        }
        if self.names >= NAMES || self.names_bytes + name.len() + more_bytes > NAMES_BYTES {
            return Err(ErrorCode::InsufficientSpace);
        }
        Ok(())
    }

    fn add(&mut self, kind: NodeKind) -> NodeId {
        let now = SystemTime::now();
        self.made += 1;
        let node = TreeNode { kind, links: 0, open: 0, number: self.made, accessed: now, modified: now, changed: now };
        if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = Some(node);
            return id;
        }
        let id = NodeId::try_from(self.nodes.len()).expect("names and handles are fewer");
        self.nodes.push(Some(node));
        id
    }

    fn enter(&mut self, folder: NodeId, name: Arc<str>, id: NodeId) {
        self.names += 1;
        self.names_bytes += name.len();
        self.node_mut(id).links += 1;
        self.touch(folder, |entries| {
            entries.insert(name, id);
        });
    }

    fn leave(&mut self, folder: NodeId, name: &str) {
        let mut left = None;
        self.touch(folder, |entries| left = entries.remove(name));
        let Some(id) = left else { return };
        self.names -= 1;
        self.names_bytes -= name.len();
        let node = self.node_mut(id);
        node.links -= 1;
        node.changed = SystemTime::now();
        self.let_go(id);
    }

    fn touch(&mut self, folder: NodeId, change: impl FnOnce(&mut BTreeMap<Arc<str>, NodeId>)) {
        let node = self.node_mut(folder);
        if let NodeKind::Folder { entries, .. } = &mut node.kind {
            change(entries);
            node.modified = SystemTime::now();
            node.changed = node.modified;
        }
    }

    /// Frees a node that has neither a name nor a user.
    fn let_go(&mut self, id: NodeId) {
        let Some(node) = self.nodes[id as usize].take_if(|node| node.links == 0 && node.open == 0) else { return };
        self.free.push(id);
        match node.kind {
            NodeKind::File(file) => {
                self.blocks -= file.taken();
                self.drop_blocks(file.blocks);
            }
            NodeKind::Link(target) => self.names_bytes -= target.len(),
            NodeKind::Folder { .. } => {}
        }
    }

    fn drop_blocks(&mut self, blocks: BTreeMap<u64, Block>) {
        self.dropped.extend(blocks.into_values().filter_map(|block| match block {
            Block::Own(number) => Some(number),
            Block::Kept(_) => None,
        }));
    }
}

/// From the last to the first.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').filter(|step| !step.is_empty() && *step != ".")
}

#[cfg(test)]
mod tests;
