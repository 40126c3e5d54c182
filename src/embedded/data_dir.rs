//! The data directory: made, locked, and with a place for sockets.

use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Uid;

use super::EmbeddedError;

/// Longest directory in which both sockets' paths still fit the kernel's 107 bytes.
const SOCKET_DIR_MAX_BYTES: usize = 80;

/// How long a lock may be held by a process that is ending.
const DYING_WITHIN: Duration = Duration::from_secs(2);

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing, and takes it.
    ///
    /// # Errors
    /// If it cannot be made or written, or another process holds it.
    pub fn open(path: &Path) -> Result<Self, EmbeddedError> {
        let path = std::path::absolute(path).map_err(EmbeddedError::file("find", path))?;
        fs::create_dir_all(&path).map_err(EmbeddedError::file("create", &path))?;
        // Root's children run as another user and must pass; they cannot list.
        let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(&path, Permissions::from_mode(mode))
            .map_err(EmbeddedError::file("set the mode of", &path))?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where accepted events wait.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// Makes and gives the directory for sockets.
    pub(super) fn make_socket_dir(&self) -> Result<PathBuf, EmbeddedError> {
        let dir = socket_dir(&self.path);
        if !dir.starts_with(&self.path) {
            tracing::info!("{} is too long for a socket's path: sockets are in {}", self.path.display(), dir.display());
        }
        make_private_dir(&dir)?;
        let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(&dir, Permissions::from_mode(mode))
            .map_err(EmbeddedError::file("set the mode of", &dir))?;
        Ok(dir)
    }
}

/// Where the sockets of a data directory are; known to every process that knows the data directory.
pub(super) fn socket_dir(data: &Path) -> PathBuf {
    let inside = data.join("run");
    if inside.as_os_str().len() <= SOCKET_DIR_MAX_BYTES {
        return inside;
    }
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    Path::new("/tmp").join(format!("tenrec-{}-{:016x}", Uid::effective(), hasher.finish()))
}

/// Makes a directory that is ours alone; one that is there must be ours already, because `/tmp` is everybody's.
pub(super) fn make_private_dir(dir: &Path) -> Result<(), EmbeddedError> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(EmbeddedError::file("create", dir)(e)),
        _ => {}
    }
    let found = fs::symlink_metadata(dir).map_err(EmbeddedError::file("read", dir))?;
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() {
        let source = std::io::Error::other("it belongs to somebody else");
        return Err(EmbeddedError::file("use", dir)(source));
    }
    Ok(())
}

/// Checks that a process of another user can reach `path`.
pub(super) fn check_passable(path: &Path, uid: u32) -> Result<(), EmbeddedError> {
    for dir in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
        let mode = fs::metadata(dir).map_err(EmbeddedError::file("read", dir))?.mode();
        if mode & 0o001 == 0 {
            return Err(EmbeddedError::Impassable { dir: dir.to_owned(), uid });
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, EmbeddedError> {
    let path = dir.join("tenrec.lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(EmbeddedError::file("write", &path))?;
    // A Tenrec that was killed this moment still holds it until the system has cleared it away.
    let asked = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(fs::TryLockError::WouldBlock) if asked.elapsed() < DYING_WITHIN => {
                std::thread::sleep(DYING_WITHIN / 50)
            }
            Err(fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let pid = pid.trim();
                let holder = if pid.is_empty() { "starting".to_owned() } else { format!("process {pid}") };
                return Err(EmbeddedError::InUse { dir: dir.to_owned(), holder });
            }
            Err(fs::TryLockError::Error(e)) => return Err(EmbeddedError::file("lock", &path)(e)),
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(EmbeddedError::file("write", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_has_one_holder() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = DataDir::open(dir.path()).expect("free");
        let error = DataDir::open(dir.path()).expect_err("held");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        DataDir::open(dir.path()).expect("free again");
    }

    #[test]
    fn sockets_of_a_deep_directory_get_a_short_path() {
        let deep = Path::new("/var").join("x".repeat(120));
        assert!(socket_dir(&deep).as_os_str().len() <= SOCKET_DIR_MAX_BYTES);
        assert_eq!(socket_dir(&deep), socket_dir(&deep));
        assert_eq!(socket_dir(Path::new("/var/lib/tenrec")), Path::new("/var/lib/tenrec/run"));
    }
}
