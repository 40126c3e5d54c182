//! Values of a property, for the filter's suggestions.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::http::{AppState, ProjectAccess, WebError};
use crate::insights::suggestions::property_values;
use crate::model::query::{PropertyScope, Traffic};

/// Which values are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ValuesQuery {
    r#type: String,
    key: String,
    search: String,
    traffic: String,
}

/// `GET /project/{project}/insights/values?type=event&key=$browser&search=fire`: the most frequent values of the last
/// seven days, as a JSON list.
pub async fn get(
    State(state): State<AppState>,
    access: ProjectAccess,
    Query(query): Query<ValuesQuery>,
) -> Result<Json<Vec<String>>, WebError> {
    let scope = if query.r#type == "person" { PropertyScope::Person } else { PropertyScope::Event };
    if query.key.is_empty() {
        return Ok(Json(Vec::new()));
    }
    let traffic = Traffic::of_word(&query.traffic).unwrap_or_default();
    let (project, clock) = (access.project.id, &state.clock);
    let values = property_values(&state.ch, clock, project, scope, &query.key, &query.search, traffic).await?;
    Ok(Json(values))
}
