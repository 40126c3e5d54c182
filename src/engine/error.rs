//! Errors as the engine reports them: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`.

use std::fmt;

/// One exception of the engine (or of this server in the engine's words).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineError {
    code: u32,
    /// The code's name, `UNKNOWN_TABLE`; empty when the engine gave none.
    name: String,
    /// The whole text, without the version.
    text: String,
}

/// The code the engine itself uses for what it cannot name.
const UNKNOWN_EXCEPTION: u32 = 1002;

impl EngineError {
    /// An error raised by this server, in the form the engine uses.
    pub fn new(code: u32, name: &str, message: &str) -> Self {
        Self { code, name: name.to_owned(), text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    pub fn bad_arguments(message: &str) -> Self {
        Self::new(36, "BAD_ARGUMENTS", message)
    }

    pub fn not_implemented(message: &str) -> Self {
        Self::new(48, "NOT_IMPLEMENTED", message)
    }

    /// The library returned nothing at all.
    pub fn no_answer() -> Self {
        Self::new(UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", "The engine gave no answer")
    }

    /// Reads the engine's text. A text without a code keeps its words under `UNKNOWN_EXCEPTION`.
    pub fn parse(text: &str) -> Self {
        let text = without_version(text.trim());
        let code =
            text.strip_prefix("Code: ").and_then(|rest| rest.split_once('.')).and_then(|(code, _)| code.parse().ok());
        match code {
            Some(code) => Self { code, name: last_name(text).unwrap_or_default().to_owned(), text: text.to_owned() },
            None => Self::new(UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text.trim_end_matches('.')),
        }
    }

    pub fn code(&self) -> u32 {
        self.code
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text a client sees: with the engine's version at its end, as a server writes it.
    pub fn with_version(&self, version: &str) -> String {
        format!("{} (version {version})", self.text)
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for EngineError {}

fn without_version(text: &str) -> &str {
    match text.rfind(" (version ") {
        Some(at) if text.ends_with(')') => &text[..at],
        _ => text,
    }
}

/// `… (UNKNOWN_TABLE)` gives `UNKNOWN_TABLE`.
fn last_name(text: &str) -> Option<&str> {
    let (_, name) = text.strip_suffix(')')?.rsplit_once('(')?;
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_name_are_read_with_and_without_a_version() {
        for text in [
            "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)",
            "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)",
        ] {
            let error = EngineError::parse(text);
            assert_eq!((error.code(), error.name()), (60, "UNKNOWN_TABLE"));
            assert_eq!(
                error.with_version("26.7.2.1"),
                "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)"
            );
        }
    }

    #[test]
    fn a_text_without_a_code_is_kept() {
        let error = EngineError::parse("Invalid insert stream");
        assert_eq!(error.code(), UNKNOWN_EXCEPTION);
        assert!(error.to_string().contains("Invalid insert stream"));
    }
}
