//! Names and values to choose from.

use super::InsightError;
use crate::model::query::{PropertyScope, Traffic};
use crate::model::{Clock, ProjectId};
use crate::storage::ch::ClickHouse;
use crate::storage::pg::{Pg, PgError, PropertyKind, SeenProperty};

/// Names that were seen in a project.
#[derive(Debug, Clone, Default)]
pub struct SeenNames {
    pub events: Vec<String>,
    pub event_properties: Vec<String>,
    pub person_properties: Vec<String>,
}

/// The names of events and properties that a project has sent.
///
/// # Errors
/// If Postgres does not answer.
pub async fn seen_names(pg: &Pg, project: ProjectId) -> Result<SeenNames, PgError> {
    let names = |seen: Vec<SeenProperty>| seen.into_iter().map(|property| property.name).collect();
    let events = pg.list_event_definitions(project).await?;
    Ok(SeenNames {
        events: events.into_iter().map(|event| event.name).collect(),
        event_properties: names(pg.list_property_definitions(project, PropertyKind::Event).await?),
        person_properties: names(pg.list_property_definitions(project, PropertyKind::Person).await?),
    })
}

/// The most frequent values of a property in the last seven days that contain `search`.
///
/// # Errors
/// If ClickHouse does not answer.
pub async fn property_values(
    ch: &ClickHouse,
    clock: &Clock,
    project: ProjectId,
    scope: PropertyScope,
    key: &str,
    search: &str,
    traffic: Traffic,
) -> Result<Vec<String>, InsightError> {
    Ok(ch.list_property_values(project, scope, key, search, traffic, clock.now()).await?)
}
