//! A cohort as it is sent: as JSON, or as a form with a file.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::Deserialize;
use serde_json::Value;

use super::definitions::{checked_description, checked_json, checked_name};
use super::multipart::{boundary, parts};
use super::projects::Body;
use crate::http::{ApiError, AppState, Cause};
use crate::ingest::InflateError;
use crate::storage::pg::CohortChanges;

/// Largest upload.
pub const MAX_UPLOAD_BYTES: usize = 25 << 20;

/// A cohort to make, or what to change about one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CohortIn {
    name: Option<String>,
    description: Option<String>,
    pub(super) is_static: Option<bool>,
    filters: Option<Value>,
    /// The people of this question are put into it.
    query: Option<Value>,
    /// Takes it away, as `DELETE` does.
    pub(super) deleted: Option<bool>,
    /// A file with a name of somebody in each line.
    #[serde(skip)]
    pub(super) csv: Option<String>,
}

impl FromRequest<AppState> for CohortIn {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let Some(boundary) = kind.and_then(boundary) else {
            return Ok(Body::<Self>::from_request(request, state).await?.0);
        };
        let unread = |detail: &str| Cause::Invalid { field: None, detail: detail.to_owned() };
        let body = super::body::collect(request, MAX_UPLOAD_BYTES).await.map_err(|error| match error {
            InflateError::TooLarge { .. } => Cause::TooLarge,
            _ => unread("The form was cut short."),
        })?;
        let parts = parts(&body, &boundary).ok_or_else(|| unread("The form cannot be read."))?;
        let mut fields = serde_json::Map::new();
        let mut csv = None;
        for part in parts {
            let text = String::from_utf8_lossy(part.content).into_owned();
            match part.name.as_str() {
                "csv" => csv = Some(text),
                "is_static" => drop(fields.insert(part.name, matches!(text.trim(), "true" | "1" | "on").into())),
                "filters" | "query" if text.trim().is_empty() => {}
                "filters" | "query" => {
                    let value = serde_json::from_str(&text).map_err(|_| unread("A field holds no JSON."))?;
                    fields.insert(part.name, value);
                }
                _ => drop(fields.insert(part.name, text.into())),
            }
        }
        let body: Self = serde_json::from_value(fields.into()).map_err(|error| unread(&error.to_string()))?;
        Ok(Self { csv, ..body })
    }
}

impl CohortIn {
    /// What is to be made or changed, taken out.
    pub(super) fn changes(&mut self) -> Result<CohortChanges, Cause> {
        Ok(CohortChanges {
            name: checked_name(self.name.take())?,
            description: checked_description(self.description.take())?,
            filters: checked_json("filters", self.filters.take())?,
            query: checked_json("query", self.query.take())?,
        })
    }
}
