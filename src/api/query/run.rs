//! A query in, its answer out.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::answer;
use crate::api::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::insights::{QueryContext, run_query};

/// The ways to ask for an answer anew; each is answered at once and in full.
const REFRESH: &[&str] =
    &["blocking", "async", "async_except_on_cache_miss", "lazy_async", "force_blocking", "force_async", "force_cache"];

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
}

impl QueryIn {
    /// The question.
    #[must_use]
    pub fn query(&self) -> &Value {
        &self.query
    }
}

/// `POST /api/projects/{project}/query/`.
pub async fn run(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Body(body): Body<QueryIn>,
) -> Result<Json<Value>, ApiError> {
    if !body.query.is_object() {
        return Err(Cause::invalid("query", "The query is needed: an object with its kind.").into());
    }
    let is_known = match &body.refresh {
        Value::Null | Value::Bool(_) => true,
        Value::String(word) => REFRESH.contains(&word.as_str()),
        _ => false,
    };
    if !is_known {
        return Err(Cause::invalid("refresh", format!("One of {} is needed.", REFRESH.join(", "))).into());
    }
    let started = Instant::now();
    let settings = state.pg.get_project_settings(access.project.id).await?;
    let context = QueryContext {
        ch: &state.ch,
        pg: &state.pg,
        clock: &state.clock,
        project: &access.project,
        settings: &settings,
    };
    let fields = run_query(context, &body.query).await?;
    let frame = answer::Frame {
        project: &access.project,
        answered_at: state.clock.now(),
        elapsed: started.elapsed(),
        client_query_id: body.client_query_id.as_deref(),
    };
    Ok(Json(frame.around(fields)))
}
