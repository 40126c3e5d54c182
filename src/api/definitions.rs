//! What the addresses of actions and of cohorts share.

use serde::Deserialize;
use serde_json::Value;

use crate::http::Cause;

/// Most items in one page of a list.
const MAX_LIMIT: i64 = 1000;
const MAX_NAME_CHARS: usize = 400;
const MAX_DESCRIPTION_CHARS: usize = 4_000;
/// Longest steps, filters or question, as JSON.
const MAX_JSON_BYTES: usize = 64 << 10;

/// Which part of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    search: Option<String>,
    limit: Option<i64>,
    offset: Option<i64>,
}

impl Wanted {
    /// What is searched for, how many at most, and after how many others.
    pub(super) fn part(self) -> (String, i64, i64) {
        let search = self.search.unwrap_or_default().replace('\0', "");
        (search, self.limit.unwrap_or(100).clamp(1, MAX_LIMIT), self.offset.unwrap_or(0).max(0))
    }
}

/// A name without blanks around it.
pub(super) fn checked_name(name: Option<String>) -> Result<Option<String>, Cause> {
    let Some(name) = name.map(|name| name.trim().to_owned()) else { return Ok(None) };
    check_text("name", &name, MAX_NAME_CHARS)?;
    if name.is_empty() {
        return Err(Cause::invalid("name", "A name is needed."));
    }
    Ok(Some(name))
}

pub(super) fn checked_description(description: Option<String>) -> Result<Option<String>, Cause> {
    if let Some(description) = &description {
        check_text("description", description, MAX_DESCRIPTION_CHARS)?;
    }
    Ok(description)
}

/// What is null is not said.
pub(super) fn checked_json(field: &'static str, value: Option<Value>) -> Result<Option<Value>, Cause> {
    if value.as_ref().is_some_and(|value| value.to_string().len() > MAX_JSON_BYTES) {
        return Err(Cause::invalid(field, format!("This takes more than {MAX_JSON_BYTES} bytes.")));
    }
    Ok(value.filter(|value| !value.is_null()))
}

/// A text that Postgres can keep and that is not endless.
fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), Cause> {
    if text.contains('\0') || text.chars().count() > most {
        return Err(Cause::invalid(field, format!("At most {most} characters are taken, and no zero bytes.")));
    }
    Ok(())
}
