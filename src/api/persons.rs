//! People, over the API: `/api/projects/{project}/persons/`, in the shapes of PROTOCOL §7.2.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{OriginalUri, Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::cursor::{Asked, CursorPage, refused};
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause, Site};
use crate::insights::explore::PersonName;
use crate::model::{PersonId, ProjectId};
use crate::storage::pg::{PersonPage, PersonQuery, PersonRow};

/// Distinct ids that are shown of each person of a list.
const IDS_SHOWN: i32 = 100;

/// A person, as the API shows them.
#[derive(Debug, Serialize)]
pub struct PersonOut {
    id: u64,
    uuid: Uuid,
    name: String,
    /// At most a hundred of them, the shortest first.
    distinct_ids: Vec<String>,
    properties: Map<String, Value>,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    is_identified: bool,
}

impl From<PersonRow> for PersonOut {
    fn from(person: PersonRow) -> Self {
        Self {
            id: person.id.get(),
            uuid: person.uuid,
            name: PersonName::of(&person).label,
            distinct_ids: person.distinct_ids,
            properties: person.properties,
            created_at: person.created_at,
            last_seen_at: person.last_seen_at,
            is_identified: person.is_identified,
        }
    }
}

/// The path of a person: by UUID, or by number.
#[derive(Debug, Deserialize)]
pub struct PersonPath {
    /// A uuid or a number.
    #[serde(rename = "uuid")]
    pub person: String,
}

/// A value of a property, to choose from.
#[derive(Debug, Serialize)]
pub struct ValueOut {
    name: String,
    count: i64,
}

/// `GET /api/projects/{project}/persons/`: newest first, a page at a time.
pub async fn list(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    OriginalUri(uri): OriginalUri,
    Query(params): Query<HashMap<String, String>>,
) -> Result<Json<CursorPage<PersonOut>>, ApiError> {
    let asked = Asked::new(&params)?;
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).cloned();
    let search = text("search").map(|search| search.replace('\0', "").trim().to_owned());
    let question = PersonQuery {
        search: search.filter(|search| !search.is_empty()),
        distinct_id: text("distinct_id"),
        email: text("email"),
        filters: asked.filters()?,
        ..PersonQuery::default()
    };
    let page = match asked.cursor() {
        Some((is_back, text)) => {
            let cursor = text.parse().map_err(|e| Cause::invalid("cursor", format!("{e}.")))?;
            if !crate::storage::pg::PersonCursor::fits(&cursor, question.order) {
                return Err(Cause::invalid("cursor", "this is no place in this list.").into());
            }
            if is_back { PersonPage::Before(cursor) } else { PersonPage::After(cursor) }
        }
        None => PersonPage::First,
    };
    let slice =
        state.pg.list_persons(access.project.id, &question, &page, asked.limit, IDS_SHOWN).await.map_err(refused)?;
    let edges = slice.edges.map(|(first, last)| (first.to_string(), last.to_string()));
    let url = format!("{}{}", site.url, uri.path());
    let results = slice.people.into_iter().map(PersonOut::from).collect();
    Ok(Json(asked.page(&url, edges, slice.has_more, results)))
}

/// `GET /api/projects/{project}/persons/{person}/`.
pub async fn get(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
) -> Result<Json<PersonOut>, ApiError> {
    Ok(Json(find(&state, access.project.id, &path.person).await?.into()))
}

/// `GET /api/projects/{project}/persons/values/?key=plan&value=pr`: the most frequent values among the newest people.
pub async fn values(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Query(params): Query<HashMap<String, String>>,
) -> Result<Json<Vec<ValueOut>>, ApiError> {
    let key = params.get("key").filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Cause::invalid("key", "This field is required."))?;
    let search = params.get("value").map_or("", String::as_str);
    let values = state.pg.list_person_property_values(access.project.id, key, search).await?;
    Ok(Json(values.into_iter().map(|(name, count)| ValueOut { name, count }).collect()))
}

/// The person that a path names.
///
/// # Errors
/// If the text is neither UUID nor number, or there is no such person in the project.
pub async fn find(state: &AppState, project: ProjectId, person: &str) -> Result<PersonRow, ApiError> {
    if let Ok(uuid) = person.parse::<Uuid>() {
        return Ok(state.pg.find_person_by_uuid(project, uuid).await?.ok_or(Cause::NotFound)?);
    }
    let is_number = person.bytes().all(|b| b.is_ascii_digit());
    let number = person.parse::<i64>().ok().filter(|_| is_number);
    let number = number
        .ok_or_else(|| Cause::invalid("id", format!("{person:?} is neither a UUID nor the number of a person.")))?;
    let found = state.pg.list_persons_by_id(project, &[PersonId::from_row(number)]).await?;
    Ok(found.into_iter().next().ok_or(Cause::NotFound)?)
}
