//! `wasi:filesystem@0.2` for workers: `/tmp` beside the read-only folders of wasmtime-wasi.
//!
//! A handle is ours or the library's, by the type of what the table has for it, and so is each call. Nothing can be moved or
//! linked between the two.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::Result;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize, HostDescriptor,
    HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, ReaddirIterator};

use super::storage::Storage;
use super::streams::{TmpReader, TmpWriter};
use super::tree::{FileOpening, NodeId, NodeKind, Tree, TreeNode, TreeResult};
use super::{NAME, OpenNode, TmpFolder};
use crate::limits::tmp::TRANSFER_BYTES;

/// What the linker is told to take a `FilesView` for.
pub struct WorkerFiles;

impl HasData for WorkerFiles {
    type Data<'a> = FilesView<'a>;
}

/// The files of an instance, during a call.
pub struct FilesView<'a> {
    others: WasiFilesystemCtxView<'a>,
    tmp: &'a TmpFolder,
}

/// A handle to a file or folder in `/tmp`.
#[derive(Clone)]
struct TmpDescriptor {
    node: Arc<OpenNode>,
    kind: DescriptorType,
    reads: bool,
    writes: bool,
}

/// The entries of a folder, in their order, from one that was read last.
struct TmpEntries {
    node: Arc<OpenNode>,
    last: Option<Arc<str>>,
}

impl<'a> FilesView<'a> {
    /// `others` are the library's.
    pub fn new(others: WasiFilesystemCtxView<'a>, tmp: &'a TmpFolder) -> FilesView<'a> {
        FilesView { others, tmp }
    }

    /// `None` if it is the library's.
    fn own(&self, fd: &Resource<Descriptor>) -> Option<TmpDescriptor> {
        self.others.table.get(&Resource::<TmpDescriptor>::new_borrow(fd.rep())).ok().cloned()
    }

    fn push(&mut self, descriptor: TmpDescriptor) -> FsResult<Resource<Descriptor>> {
        Ok(Resource::new_own(self.others.table.push(descriptor)?.rep()))
    }
}

impl TmpDescriptor {
    fn folder(&self) -> TreeResult<NodeId> {
        if self.kind == DescriptorType::Directory { Ok(self.node.id) } else { Err(ErrorCode::NotDirectory) }
    }

    fn readable(&self) -> TreeResult<NodeId> {
        match self.kind {
            DescriptorType::Directory => Err(ErrorCode::IsDirectory),
            _ if self.reads => Ok(self.node.id),
            _ => Err(ErrorCode::BadDescriptor),
        }
    }

    fn writable(&self) -> TreeResult<NodeId> {
        if self.writes { Ok(self.node.id) } else { Err(ErrorCode::BadDescriptor) }
    }

    /// Works on the storage; nothing is added to it but names.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Storage) -> TreeResult<T> + Send + 'static) -> FsResult<T> {
        Ok(self.node.tmp.run(0, work).await?)
    }

    /// Changes names.
    async fn names<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tree, NodeId) -> TreeResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let folder = self.folder()?;
        self.run(move |storage| work(&mut storage.tree, folder)).await
    }
}

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        let mut folders = preopens::Host::get_directories(&mut self.others)?;
        let root = TmpDescriptor { node: self.tmp.root(), kind: DescriptorType::Directory, reads: true, writes: false };
        folders.push((Resource::new_own(self.others.table.push(root)?.rep()), NAME.to_owned()));
        Ok(folders)
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> Result<Option<ErrorCode>> {
        match self.others.table.get(&error)?.downcast_ref::<ErrorCode>() {
            Some(code) => Ok(Some(*code)),
            None => self.others.filesystem_error_code(error),
        }
    }
}

impl HostDescriptor for FilesView<'_> {
    async fn advise(&mut self, fd: Resource<Descriptor>, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        match self.own(&fd) {
            Some(_) => Ok(()),
            None => self.others.advise(fd, offset, length, advice).await,
        }
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        match self.own(&fd) {
            // It is gone with the instance, whatever is done.
            Some(_) => Ok(()),
            None => self.others.sync_data(fd).await,
        }
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        match self.own(&fd) {
            Some(_) => Ok(()),
            None => self.others.sync(fd).await,
        }
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        let Some(own) = self.own(&fd) else { return self.others.get_flags(fd).await };
        let is_folder = own.kind == DescriptorType::Directory;
        let each = [
            (DescriptorFlags::READ, own.reads),
            (DescriptorFlags::WRITE, own.writes),
            (DescriptorFlags::MUTATE_DIRECTORY, is_folder),
        ];
        Ok(each.into_iter().filter(|(_, is_set)| *is_set).fold(DescriptorFlags::empty(), |flags, (flag, _)| flags | flag))
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        match self.own(&fd) {
            Some(own) => Ok(own.kind),
            None => self.others.get_type(fd).await,
        }
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let Some(own) = self.own(&fd) else { return self.others.set_size(fd, size).await };
        let id = own.writable()?;
        // A block that INIT has left may have to be copied.
        Ok(own.node.tmp.run(1, move |storage| storage.resize(id, size)).await?)
    }

    async fn set_times(&mut self, fd: Resource<Descriptor>, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        let Some(own) = self.own(&fd) else { return self.others.set_times(fd, accessed, modified).await };
        let (id, accessed, modified) = (own.node.id, time(accessed)?, time(modified)?);
        own.run(move |storage| {
            set_times(storage.tree.node_mut(id), accessed, modified);
            Ok(())
        })
        .await
    }

    async fn read(&mut self, fd: Resource<Descriptor>, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let Some(own) = self.own(&fd) else { return self.others.read(fd, length, offset).await };
        let id = own.readable()?;
        let most = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = own.run(move |storage| storage.read(id, offset, most)).await?;
        let ended = bytes.is_empty() && most > 0;
        Ok((bytes, ended))
    }

    async fn write(&mut self, fd: Resource<Descriptor>, mut bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let Some(own) = self.own(&fd) else { return self.others.write(fd, bytes, offset).await };
        let id = own.writable()?;
        bytes.truncate(TRANSFER_BYTES);
        let length = bytes.len();
        own.node.tmp.run(length, move |storage| storage.write(id, offset, &bytes)).await?;
        Ok(length as u64)
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<ReaddirIterator>> {
        let Some(own) = self.own(&fd) else { return self.others.read_directory(fd).await };
        own.folder()?;
        let entries = self.others.table.push(TmpEntries { node: own.node, last: None })?;
        Ok(Resource::new_own(entries.rep()))
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| tree.make_folder(at, &path)).await,
            None => self.others.create_directory_at(fd, path).await,
        }
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        let Some(own) = self.own(&fd) else { return self.others.stat(fd).await };
        let id = own.node.id;
        own.run(move |storage| Ok(stat(storage.tree.node(id)))).await
    }

    async fn stat_at(&mut self, fd: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| Ok(stat(tree.node(tree.at(at, &path, follows(flags))?)))).await,
            None => self.others.stat_at(fd, flags, path).await,
        }
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let Some(own) = self.own(&fd) else { return self.others.set_times_at(fd, flags, path, accessed, modified).await };
        let (accessed, modified) = (time(accessed)?, time(modified)?);
        own.names(move |tree, at| {
            let id = tree.at(at, &path, follows(flags))?;
            set_times(tree.node_mut(id), accessed, modified);
            Ok(())
        })
        .await
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        match (self.own(&fd), self.own(&new_fd)) {
            (Some(own), Some(new)) => {
                let to = new.folder()?;
                own.names(move |tree, at| tree.link(at, &path, to, &new_path)).await
            }
            (None, None) => self.others.link_at(fd, flags, path, new_fd, new_path).await,
            _ => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let Some(own) = self.own(&fd) else { return self.others.open_at(fd, path_flags, path, open, flags).await };
        let folder = own.folder()?;
        let makes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if open.contains(OpenFlags::DIRECTORY) && open.intersects(makes) {
            return Err(ErrorCode::Invalid.into());
        }
        let truncate = open.contains(OpenFlags::TRUNCATE);
        let writes = flags.contains(DescriptorFlags::WRITE);
        let how = FileOpening {
            follow: follows(path_flags),
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            folder: open.contains(OpenFlags::DIRECTORY),
            write: writes || truncate,
        };
        let opened = own.run(move |storage| {
            let id = storage.tree.open(folder, &path, how)?;
            if truncate {
                storage.resize(id, 0)?;
            }
            let kind = kind(storage.tree.node(id));
            storage.tree.retain(id);
            Ok((id, kind))
        });
        let (id, kind) = opened.await?;
        let node = OpenNode::new(&own.node.tmp, id);
        self.push(TmpDescriptor { node, kind, reads: flags.contains(DescriptorFlags::READ) || !writes, writes })
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> Result<()> {
        if self.own(&fd).is_none() {
            return HostDescriptor::drop(&mut self.others, fd);
        }
        self.others.table.delete(Resource::<TmpDescriptor>::new_own(fd.rep()))?;
        Ok(())
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| tree.read_link(at, &path)).await,
            None => self.others.readlink_at(fd, path).await,
        }
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| tree.remove_folder(at, &path)).await,
            None => self.others.remove_directory_at(fd, path).await,
        }
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        match (self.own(&fd), self.own(&new_fd)) {
            (Some(own), Some(new)) => {
                let to = new.folder()?;
                own.names(move |tree, at| tree.rename(at, &path, to, &new_path)).await
            }
            (None, None) => self.others.rename_at(fd, path, new_fd, new_path).await,
            _ => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| tree.symlink(&target, at, &path)).await,
            None => self.others.symlink_at(fd, target, path).await,
        }
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| tree.unlink(at, &path)).await,
            None => self.others.unlink_file_at(fd, path).await,
        }
    }

    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let Some(own) = self.own(&fd) else { return self.others.read_via_stream(fd, offset) };
        own.readable()?;
        let reader: DynInputStream = Box::new(TmpReader::new(own.node, offset));
        Ok(self.others.table.push(reader)?)
    }

    fn write_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let Some(own) = self.own(&fd) else { return self.others.write_via_stream(fd, offset) };
        own.writable()?;
        let writer: DynOutputStream = Box::new(TmpWriter::new(own.node, Some(offset)));
        Ok(self.others.table.push(writer)?)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let Some(own) = self.own(&fd) else { return self.others.append_via_stream(fd) };
        own.writable()?;
        let writer: DynOutputStream = Box::new(TmpWriter::new(own.node, None));
        Ok(self.others.table.push(writer)?)
    }

    async fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> Result<bool> {
        match (self.own(&a), self.own(&b)) {
            (Some(a), Some(b)) => Ok(a.node.id == b.node.id),
            (None, None) => self.others.is_same_object(a, b).await,
            _ => Ok(false),
        }
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        let Some(own) = self.own(&fd) else { return self.others.metadata_hash(fd).await };
        let id = own.node.id;
        own.run(move |storage| Ok(hash(storage.tree.node(id)))).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        match self.own(&fd) {
            Some(own) => own.names(move |tree, at| Ok(hash(tree.node(tree.at(at, &path, follows(flags))?)))).await,
            None => self.others.metadata_hash_at(fd, flags, path).await,
        }
    }
}

impl HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<ReaddirIterator>) -> FsResult<Option<DirectoryEntry>> {
        let own = Resource::<TmpEntries>::new_borrow(stream.rep());
        let Ok(entries) = self.others.table.get(&own) else { return self.others.read_directory_entry(stream).await };
        let (node, last) = (entries.node.clone(), entries.last.clone());
        let id = node.id;
        let next = node.tmp.run(0, move |storage| {
            let next = storage.tree.entry_after(id, last.as_deref())?;
            Ok(next.map(|(name, id)| (name, kind(storage.tree.node(id)))))
        });
        let Some((name, kind)) = next.await? else { return Ok(None) };
        self.others.table.get_mut(&own)?.last = Some(name.clone());
        Ok(Some(DirectoryEntry { type_: kind, name: name.to_string() }))
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> Result<()> {
        let own = Resource::<TmpEntries>::new_own(stream.rep());
        if self.others.table.get(&own).is_err() {
            return HostDirectoryEntryStream::drop(&mut self.others, stream);
        }
        self.others.table.delete(own)?;
        Ok(())
    }
}

fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

fn kind(node: &TreeNode) -> DescriptorType {
    match node.kind {
        NodeKind::Folder { .. } => DescriptorType::Directory,
        NodeKind::File(_) => DescriptorType::RegularFile,
        NodeKind::Link(_) => DescriptorType::SymbolicLink,
    }
}

fn stat(node: &TreeNode) -> DescriptorStat {
    let size = match &node.kind {
        NodeKind::Folder { .. } => 0,
        NodeKind::File(file) => file.bytes,
        NodeKind::Link(target) => target.len() as u64,
    };
    DescriptorStat {
        type_: kind(node),
        link_count: node.links.into(),
        size,
        data_access_timestamp: datetime(node.accessed),
        data_modification_timestamp: datetime(node.modified),
        status_change_timestamp: datetime(node.changed),
    }
}

fn hash(node: &TreeNode) -> MetadataHashValue {
    // The library's hashes are of devices and inodes; these are told apart from them by the upper half.
    MetadataHashValue { lower: node.number, upper: 0 }
}

fn set_times(node: &mut TreeNode, accessed: Option<SystemTime>, modified: Option<SystemTime>) {
    node.accessed = accessed.unwrap_or(node.accessed);
    node.modified = modified.unwrap_or(node.modified);
    node.changed = SystemTime::now();
}

fn time(new: NewTimestamp) -> TreeResult<Option<SystemTime>> {
    match new {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(SystemTime::now())),
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            let since = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
            let time = since.and_then(|since| UNIX_EPOCH.checked_add(since));
            time.map(Some).ok_or(ErrorCode::Overflow)
        }
    }
}

fn datetime(time: SystemTime) -> Option<Datetime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}
