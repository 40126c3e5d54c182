//! One person: with a profile, or only a distinct id that sent events.

use std::collections::HashMap;

use uuid::Uuid;

use super::{ExploreError, PersonName};
use crate::model::{PersonId, ProjectId};
use crate::storage::pg::{PersonLabel, PersonPage, PersonQuery, PersonRow, Pg};

/// How a page names the person it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonFound {
    ByUuid(Uuid),
    ByDistinctId(String),
}

/// A person, and the numbers under which their events stand.
#[derive(Debug, Clone)]
pub struct Person {
    pub name: PersonName,
    /// None for a distinct id that never got a profile.
    pub profile: Option<PersonRow>,
    /// The distinct id to link to the person by.
    pub distinct_id: Option<String>,
    pub event_ids: Vec<PersonId>,
}

/// Finds a person without a look at their events: a distinct id without a profile may be nobody's.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find_person(pg: &Pg, project: ProjectId, by: &PersonFound) -> Result<Option<Person>, ExploreError> {
    let uuid = match by {
        PersonFound::ByUuid(uuid) => Some(*uuid),
        // Postgres keeps no text with a zero in it, so no profile has such an id.
        PersonFound::ByDistinctId(id) if id.contains('\0') => return Ok(None),
        PersonFound::ByDistinctId(id) => pg.find_person_uuid(project, id).await?,
    };
    let profile = match uuid {
        Some(uuid) => pg.find_person_by_uuid(project, uuid).await?,
        None => None,
    };
    if let Some(profile) = profile {
        return Ok(Some(Person {
            name: PersonName::of(&profile),
            distinct_id: profile.distinct_ids.first().cloned(),
            event_ids: pg.list_event_numbers(project, &[profile.id]).await?,
            profile: Some(profile),
        }));
    }
    let PersonFound::ByDistinctId(id) = by else { return Ok(None) };
    Ok(Some(Person {
        name: PersonName::new(id, None),
        profile: None,
        distinct_id: Some(id.clone()),
        event_ids: vec![PersonId::without_profile(project, id)],
    }))
}

/// The numbers of everybody that a search text may mean: the person with exactly this distinct id or UUID, else the people
/// that the list would find, else the distinct id itself without a profile.
pub(super) async fn search_event_ids(pg: &Pg, project: ProjectId, search: &str) -> Result<Vec<PersonId>, ExploreError> {
    const MOST_PEOPLE: usize = 50;
    if search.contains('\0') {
        return Ok(Vec::new());
    }
    let uuid = match pg.find_person_uuid(project, search).await? {
        Some(uuid) => Some(uuid),
        None => search.parse().ok(),
    };
    let exact = match uuid {
        Some(uuid) => pg.find_person_by_uuid(project, uuid).await?,
        None => None,
    };
    let people = match exact {
        Some(person) => vec![person.id],
        None => {
            let query = PersonQuery { search: Some(search.to_owned()), ..PersonQuery::default() };
            let found = pg.list_persons(project, &query, &PersonPage::First, MOST_PEOPLE, 1).await?.people;
            found.into_iter().map(|person| person.id).collect()
        }
    };
    let mut ids = pg.list_event_numbers(project, &people).await?;
    ids.push(PersonId::without_profile(project, search));
    Ok(ids)
}

/// How the people with these distinct ids are called; those without a profile are not in the answer.
pub(super) async fn person_labels(
    pg: &Pg,
    project: ProjectId,
    mut ids: Vec<String>,
) -> Result<HashMap<String, PersonLabel>, ExploreError> {
    ids.retain(|id| !id.contains('\0'));
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(pg.list_person_labels(project, &ids).await?)
}
