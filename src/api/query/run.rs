//! A query in, its answer out.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Frame;
use super::status::status_json;
use crate::api::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::insights::running::{QueryKey, Reply, Wish};
use crate::insights::{InsightError, with_overrides};

/// Longest name that a client gives a question.
const MAX_ID_CHARS: usize = 200;

/// A question, and how it is to be answered.
#[derive(Debug, Deserialize)]
pub struct QueryIn {
    #[serde(default)]
    query: Value,
    /// How fresh the answer must be: a word of the API's, or true or false as older tools say it.
    #[serde(default)]
    refresh: Value,
    #[serde(default)]
    client_query_id: Option<String>,
    #[serde(default)]
    filters_override: Value,
    #[serde(default)]
    variables_override: Value,
}

impl QueryIn {
    /// The question, with what a dashboard lays over it.
    ///
    /// # Errors
    /// If there is none, or what is laid over it makes no sense.
    pub fn question(&self) -> Result<Value, ApiError> {
        if !self.query.is_object() {
            return Err(Cause::invalid("query", "The query is needed: an object with its kind.").into());
        }
        let laid = with_overrides(&self.query, &self.filters_override, &self.variables_override);
        Ok(laid.map_err(InsightError::from)?)
    }

    fn wish(&self) -> Result<Wish, Cause> {
        let known = || Wish::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        match &self.refresh {
            Value::Null | Value::Bool(false) => Ok(Wish::Blocking),
            Value::Bool(true) => Ok(Wish::ForceBlocking),
            refresh => {
                let found = Wish::WORDS.iter().find(|(word, _)| refresh.as_str() == Some(word)).map(|(_, wish)| *wish);
                found.ok_or_else(|| Cause::invalid("refresh", format!("One of {} is needed.", known())))
            }
        }
    }

    /// The client's name for the question.
    fn id(&self) -> Result<Option<&str>, Cause> {
        match self.client_query_id.as_deref() {
            Some(id) if id.is_empty() || id.chars().count() > MAX_ID_CHARS => {
                Err(Cause::invalid("client_query_id", format!("A name of 1 to {MAX_ID_CHARS} characters is needed.")))
            }
            id => Ok(id),
        }
    }
}

/// `POST /api/projects/{project}/query/`.
pub async fn run(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<QueryIn>,
) -> Result<Response, ApiError> {
    let query = body.question()?;
    let (wish, client_query_id) = (body.wish()?, body.id()?);
    let started = Instant::now();
    let project = &access.project;
    let settings = state.pg.get_project_settings(project.id).await?;
    let made_up = state.clock.new_uuid().to_string();
    let id = client_query_id.unwrap_or(&made_up);
    let reply = state.running().answer(project, &settings, &query, (wish, id)).await?;
    let (answered, status) = match reply {
        Reply::Answer { answered, status } => (Some(answered), status),
        Reply::Pending(status) => (None, Some(status)),
        Reply::Missing => (None, None),
    };
    let is_on_its_way = status.is_some();
    let frame = Frame {
        project,
        cache_key: QueryKey::of("json", project, &settings, &query).text(),
        elapsed: started.elapsed(),
        client_query_id,
        status: status.map(|status| json!(status_json(&status, project))),
    };
    let code = if is_on_its_way { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((code, Json(frame.around(answered))).into_response())
}
