//! What the engine process is told when it starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How one engine process runs. Made by the command line or by the supervisor that spawns the child.
#[derive(Clone)]
pub struct EngineOptions {
    /// The engine library, `libchdb.so`.
    pub library: PathBuf,
    /// Where the data, the lock and the generated configuration live. Created with mode 0700.
    pub data_dir: PathBuf,
    /// Serve here without a password: the directory's mode 0700 is the guard.
    pub socket: Option<PathBuf>,
    /// Serve here too; loopback only, and only with a password. Port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// The password of user `default` on `listen`.
    pub password: Option<String>,
    /// The engine refuses queries that would take it past this.
    pub memory_limit_bytes: u64,
    /// Statements that run side by side; more wait their turn.
    pub max_queries: usize,
    /// End when standard input closes: the supervisor holds the other end of the pipe, so its death,
    /// however sudden, ends the engine too.
    pub exit_with_stdin: bool,
}

/// The options contradict each other or ask for something unsafe.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidOptions {
    #[error("the engine needs a place to serve: a socket path or a listen address")]
    NowhereToServe,
    #[error("the engine listens on loopback only, and {0} is not a loopback address")]
    NotLoopback(SocketAddr),
    #[error("a password is needed to listen on TCP")]
    PasswordMissing,
    #[error("the memory limit of {0} bytes is too small: give at least 256 MiB")]
    MemoryTooSmall(u64),
    #[error("at least one query must be allowed to run")]
    NoQueries,
}

impl EngineOptions {
    /// 1 GiB: idles far below, and holds the largest answers the dashboard asks for.
    pub const DEFAULT_MEMORY_LIMIT_BYTES: u64 = 1 << 30;
    /// Inserts hold a place while their rows arrive, so this is more than there are cores.
    pub const DEFAULT_MAX_QUERIES: usize = 16;
    const MIN_MEMORY_LIMIT_BYTES: u64 = 256 << 20;

    /// Refuses what `run` would have to refuse later.
    pub fn validate(&self) -> Result<(), InvalidOptions> {
        if self.socket.is_none() && self.listen.is_none() {
            return Err(InvalidOptions::NowhereToServe);
        }
        if let Some(address) = self.listen {
            if !address.ip().is_loopback() {
                return Err(InvalidOptions::NotLoopback(address));
            }
            if self.password.as_deref().is_none_or(str::is_empty) {
                return Err(InvalidOptions::PasswordMissing);
            }
        }
        if self.memory_limit_bytes < Self::MIN_MEMORY_LIMIT_BYTES {
            return Err(InvalidOptions::MemoryTooSmall(self.memory_limit_bytes));
        }
        if self.max_queries == 0 {
            return Err(InvalidOptions::NoQueries);
        }
        Ok(())
    }
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("library", &self.library)
            .field("data_dir", &self.data_dir)
            .field("socket", &self.socket)
            .field("listen", &self.listen)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("memory_limit_bytes", &self.memory_limit_bytes)
            .field("max_queries", &self.max_queries)
            .field("exit_with_stdin", &self.exit_with_stdin)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> EngineOptions {
        EngineOptions {
            library: "libchdb.so".into(),
            data_dir: "data".into(),
            socket: Some("engine.sock".into()),
            listen: None,
            password: None,
            memory_limit_bytes: EngineOptions::DEFAULT_MEMORY_LIMIT_BYTES,
            max_queries: 4,
            exit_with_stdin: false,
        }
    }

    #[test]
    fn only_loopback_with_a_password_may_listen() {
        let listen = |address: &str, password: Option<&str>| {
            let address = address.parse().unwrap();
            EngineOptions { listen: Some(address), password: password.map(Into::into), ..options() }.validate()
        };
        assert_eq!(listen("127.0.0.1:0", Some("secret")), Ok(()));
        assert_eq!(listen("[::1]:8123", Some("secret")), Ok(()));
        assert_eq!(listen("127.0.0.1:0", None), Err(InvalidOptions::PasswordMissing));
        assert_eq!(listen("127.0.0.1:0", Some("")), Err(InvalidOptions::PasswordMissing));
        assert!(matches!(listen("0.0.0.0:8123", Some("secret")), Err(InvalidOptions::NotLoopback(_))));
        assert!(matches!(listen("10.0.0.1:8123", Some("secret")), Err(InvalidOptions::NotLoopback(_))));
    }

    #[test]
    fn a_password_is_not_shown() {
        let options = EngineOptions { password: Some("secret".into()), ..options() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
