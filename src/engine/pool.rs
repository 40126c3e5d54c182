//! The running engine: a fresh connection for every request, a bounded number at a time.
//!
//! A second connection to a running engine costs a fifth of a millisecond, so none is reused: settings,
//! current database and temporary tables of one request cannot reach the next, whatever happened to it.

use std::ffi::CString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::error::EngineError;
use super::ffi::{Connection, Library, LibraryError};
use super::server_config::SESSION_ARGUMENTS;

/// What a session begins with.
#[derive(Debug, Default)]
pub struct SessionSetup {
    pub database: Option<String>,
    /// Names and values as the client gave them.
    pub settings: Vec<(String, String)>,
    /// By this a running statement is found again, to cancel it.
    pub tag: String,
    /// Refuse writes, as the engine's server does for `GET`.
    pub is_read_only: bool,
}

/// The engine, opened on its data directory. `close` must be called before the process ends.
pub struct Engine {
    library: Library,
    arguments: Vec<CString>,
    /// Holds the engine open between requests.
    keeper: Mutex<Option<Connection>>,
    slots: Arc<Semaphore>,
    version: String,
    timezone: String,
}

impl Engine {
    /// Starts the engine on `data_path` with the server configuration in `config_path`.
    pub fn start(
        library: Library,
        data_path: &Path,
        config_path: &Path,
        max_queries: usize,
    ) -> Result<Self, LibraryError> {
        let arguments = [format!("--path={}", data_path.display()), format!("--config-file={}", config_path.display())]
            .into_iter()
            .chain(SESSION_ARGUMENTS.iter().map(|argument| (*argument).to_owned()))
            .map(|argument| CString::new(argument).expect("paths contain no NUL"))
            .collect::<Vec<_>>();
        let mut keeper = library.connect(&arguments)?;
        let about = keeper.query("SELECT version(), serverTimezone()", "TabSeparatedRaw", &[]);
        let about = about.map(|output| String::from_utf8_lossy(output.bytes()).trim_end().to_owned());
        let (version, timezone) = match about.as_deref().map(|line| line.split_once('\t')) {
            Ok(Some((version, timezone))) => (version.to_owned(), timezone.to_owned()),
            _ => return Err(LibraryError::Connect),
        };
        Ok(Self {
            library,
            arguments,
            keeper: Mutex::new(Some(keeper)),
            slots: Arc::new(Semaphore::new(max_queries)),
            version,
            timezone,
        })
    }

    /// The engine's version, `26.7.2.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The IANA name of the time zone the engine formats times in.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Places for statements; a request holds one from before its session opens until it is closed.
    pub fn slots(&self) -> &Arc<Semaphore> {
        &self.slots
    }

    /// Opens a session. Fails as the engine does: unknown database (81), unknown setting (115), …
    pub fn session(&self, setup: &SessionSetup) -> Result<Connection, EngineError> {
        let mut session = self.library.connect(&self.arguments).map_err(|_| EngineError::no_answer())?;
        if let Some(database) = &setup.database {
            session.query(&format!("USE {}", quote_name(database)), "Null", &[])?;
        }
        let is_read_only_given = setup.settings.iter().any(|(name, _)| name == "readonly");
        let mut assignments = vec![format!("log_comment = {}", quote_text(&setup.tag))];
        for (name, value) in &setup.settings {
            if !is_setting_name(name) {
                return Err(EngineError::new(115, "UNKNOWN_SETTING", &format!("Unknown setting '{name}'")));
            }
            // The tag is how we cancel; a comment has no log to go to.
            if name != "log_comment" {
                assignments.push(format!("{name} = {}", quote_text(value)));
            }
        }
        // Last: behind it nothing else may be changed.
        if setup.is_read_only && !is_read_only_given {
            assignments.push("readonly = '2'".to_owned());
        }
        session.query(&format!("SET {}", assignments.join(", ")), "Null", &[])?;
        Ok(session)
    }

    /// Cancels the statement that runs under `tag`, if it still does.
    pub fn cancel(&self, tag: &str) -> Result<(), EngineError> {
        let mut session = self.library.connect(&self.arguments).map_err(|_| EngineError::no_answer())?;
        let params = [("tag".to_owned(), tag.to_owned())];
        session.query("KILL QUERY WHERE Settings['log_comment'] = {tag:String} ASYNC", "Null", &params).map(drop)
    }

    /// Cancels every statement.
    pub fn cancel_all(&self) -> Result<(), EngineError> {
        let mut session = self.library.connect(&self.arguments).map_err(|_| EngineError::no_answer())?;
        session.query("KILL QUERY WHERE query NOT LIKE 'KILL QUERY%' ASYNC", "Null", &[]).map(drop)
    }

    /// Closes the last connection and stops the engine's threads. May take as long as a running merge.
    pub fn close(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(keeper);
        if !self.library.shut_down() {
            tracing::debug!("the engine kept a thread running; the data is closed all the same");
        }
    }
}

fn is_setting_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_cannot_end_early() {
        assert_eq!(quote_text(r"a'b\"), r"'a\'b\\'");
        assert_eq!(quote_name(r"a`b\"), r"`a\`b\\`");
    }

    #[test]
    fn only_names_are_setting_names() {
        assert!(is_setting_name("max_threads") && is_setting_name("SQL_x.y"));
        assert!(
            !is_setting_name("") && !is_setting_name("a b") && !is_setting_name("a='1', b") && !is_setting_name("1a")
        );
    }
}
