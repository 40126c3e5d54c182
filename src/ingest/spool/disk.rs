//! Every touch of the disk.
//!
//! [`Dir`] and [`DirFile`] are as much of a file system as the spool needs, each call one step that a crash may come
//! before or after. [`RealDir`] is the system's; the tests have one that loses power. [`Disk`] is what is built of them.

use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One directory of files, without subdirectories.
pub(super) trait Dir: Debug + Send + Sync {
    fn list(&self) -> io::Result<Vec<String>>;
    /// A file that is there, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Box<dyn DirFile>>;
    /// A file that is not there yet.
    fn create(&self, name: &str) -> io::Result<Box<dyn DirFile>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: a created, renamed or removed file may be as before until this.
    fn sync(&self) -> io::Result<()>;
    /// A new file that takes so many bytes from the file system.
    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()>;
    fn space(&self) -> io::Result<Space>;
    /// Lets another process, or another spool of this one, have the directory.
    fn unlock(&self) {}
}

/// A file of a [`Dir`].
pub(super) trait DirFile: Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Fewer bytes than asked for only at the end of the file, where it gives 0.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all of it, or fails having written any part.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes contents and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// How much a file system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    /// What we may use of it, taken or not.
    pub total: u64,
    /// What we may still take.
    pub free: u64,
}

/// The spool's directory, locked for this process while the value lives.
#[derive(Debug)]
pub(super) struct Disk {
    dir: Box<dyn Dir>,
}

impl Disk {
    pub fn new(dir: impl Dir + 'static) -> Self {
        Self { dir: Box::new(dir) }
    }

    /// See [`Dir::unlock`].
    pub fn unlock(&self) {
        self.dir.unlock();
    }

    /// The segments that are there, by the number in their names.
    pub fn segments(&self) -> io::Result<Vec<(u64, String)>> {
        let number = |name: &String| name.strip_suffix(".seg")?.parse().ok().filter(|number| *number < u64::MAX / 2);
        let mut found: Vec<_> = self.dir.list()?.into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
        found.sort_unstable();
        Ok(found)
    }

    pub fn open(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        self.dir.open(name)
    }

    /// All of a file; `None` if it is not there.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match self.dir.open(name) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        let read = read_full_at(&*file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Replaces a small file as a whole, durably: a crash leaves the old one or the new one. Gives the new one.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<Box<dyn DirFile>> {
        let temporary = format!("{name}.new");
        let file = match self.dir.create(&temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.dir.remove(&temporary)?;
                self.dir.create(&temporary)?
            }
            created => created?,
        };
        file.write_at(bytes, 0)?;
        file.sync()?;
        self.dir.rename(&temporary, name)?;
        self.dir.sync()?;
        Ok(file)
    }

    /// Makes a segment with this header, durably.
    pub fn create_segment(&self, first_seq: u64, header: &[u8]) -> io::Result<(String, Box<dyn DirFile>)> {
        let name = format!("{first_seq:020}.seg");
        let file = self.dir.create(&name)?;
        match file.write_at(header, 0).and_then(|()| file.sync()).and_then(|()| self.dir.sync()) {
            Ok(()) => Ok((name, file)),
            Err(e) => {
                self.dir.remove(&name).ok();
                Err(e)
            }
        }
    }

    /// Cuts a segment and makes that durable.
    pub fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        let file = self.dir.open(name)?;
        file.set_len(len)?;
        file.sync()
    }

    /// Removes a file that may be gone already.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match self.dir.remove(name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// See [`Dir::reserve`].
    pub fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.dir.reserve(name, bytes)
    }

    pub fn space(&self) -> io::Result<Space> {
        self.dir.space()
    }
}

/// Fills the buffer as far as the file goes; gives how far that is.
pub(super) fn read_full_at(file: &dyn DirFile, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// A directory of the system: 0700, its files 0600.
#[derive(Debug)]
pub(super) struct RealDir {
    path: PathBuf,
    lock: File,
}

impl RealDir {
    /// Makes the directory if it is missing, and locks it.
    pub fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"))?;
        lock.try_lock().map_err(|e| match e {
            std::fs::TryLockError::Error(e) => e,
            std::fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, format!("another process uses {}", path.display()))
            }
        })?;
        Ok(Self { path: path.to_owned(), lock })
    }
}

impl Dir for RealDir {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(self.path.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DirFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        use nix::fcntl::{FallocateFlags, fallocate};
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        let len = i64::try_from(bytes).map_err(io::Error::other)?;
        let reserved = match fallocate(&file, FallocateFlags::empty(), 0, len) {
            // Some file systems cannot promise room, only fill it.
            Err(nix::errno::Errno::EOPNOTSUPP) => fill(&file, bytes),
            reserved => reserved.map_err(io::Error::from),
        };
        reserved.inspect_err(|_| {
            std::fs::remove_file(self.path.join(name)).ok();
        })
    }

    fn space(&self) -> io::Result<Space> {
        let found = nix::sys::statvfs::statvfs(&self.path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        let taken = found.blocks().saturating_sub(found.blocks_free());
        let free = bytes(found.blocks_available());
        Ok(Space { total: bytes(taken).saturating_add(free), free })
    }

    fn unlock(&self) {
        self.lock.unlock().ok();
    }
}

fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let block = vec![0x5a; 1 << 20];
    for at in (0..bytes).step_by(block.len()) {
        let len = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(block.len());
        file.write_all_at(&block[..len], at)?;
    }
    file.sync_data()
}

impl DirFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
