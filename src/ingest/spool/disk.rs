//! Every touch of the disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The spool's directory, locked for this process while the value lives.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    lock: File,
    #[cfg(test)]
    pub faults: std::sync::Arc<super::tests::Faults>,
}

impl Disk {
    pub fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
        lock.try_lock().map_err(|e| match e {
            std::fs::TryLockError::Error(e) => e,
            std::fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, format!("another process uses {}", dir.display()))
            }
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            lock,
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        })
    }

    /// Lets another process, or another spool of this one, have the directory.
    pub fn unlock(&self) {
        self.lock.unlock().ok();
    }

    /// The segments that are there, by the number in their names.
    pub fn segments(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|s| s.to_str());
            if let (Some("seg"), Some(stem)) = (path.extension().and_then(|e| e.to_str()), stem)
                && let Ok(number) = stem.parse()
                && number < u64::MAX / 2
            {
                found.push((number, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    /// A small file of the directory; `None` if it is not there.
    pub fn read_named(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces a small file as a whole, durably: a crash leaves the old one or the new one.
    pub fn replace_named(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.dir.join(format!("{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.dir.join(name))?;
        self.sync_dir()
    }

    /// Makes a segment with this header, durably.
    pub fn create_segment(&self, first_seq: u64, header: &[u8]) -> io::Result<(PathBuf, File)> {
        let path = self.dir.join(format!("{first_seq:020}.seg"));
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let written = file.write_all(header).and_then(|()| file.sync_all()).and_then(|()| self.sync_dir());
        match written {
            Ok(()) => Ok((path, file)),
            Err(e) => {
                std::fs::remove_file(&path).ok();
                Err(e)
            }
        }
    }

    pub fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write(file, bytes, at)?;
        file.write_all_at(bytes, at)
    }

    pub fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_sync()?;
        file.sync_data()
    }

    /// Cuts a segment and makes that durable.
    pub fn cut(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}
