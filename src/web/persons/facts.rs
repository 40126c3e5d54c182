//! What the events say of a person at a glance: how many there are, from when to when, and of which groups.
//!
//! Of somebody whose events all stand on the page it is told at once. Of others it takes a look at every day they were seen on,
//! however long ago: the page comes without, and script asks for it; without script a link does.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::tz::TimeZone;

use super::list::Moment;
use super::show::{ByDistinctId, ByUuid};
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, Person, PersonFacts, PersonFound, PersonGroup};
use crate::model::Project;
use crate::web::events::{clickhouse_is_away, path_segment};
use crate::web::insights::grouped;

/// The line of facts below a person's name, and the card of their groups.
#[derive(Debug)]
pub struct Facts {
    /// The ways to what is missing; none if nothing is, or it cannot be read.
    pub missing: Option<Missing>,
    /// How many events there are, in words; none if that is not known.
    pub events: Option<String>,
    pub first: Option<Moment>,
    pub last: Option<Moment>,
    /// When the profile was made.
    pub created: Option<Moment>,
    pub groups: Vec<GroupLink>,
}

/// Ways to what a page does not say yet.
#[derive(Debug)]
pub struct Missing {
    /// Of the part alone.
    pub src: String,
    /// Of the page with it.
    pub href: String,
}

/// A group that the person acted in.
#[derive(Debug)]
pub struct GroupLink {
    pub type_name: String,
    pub label: String,
    pub href: String,
}

#[derive(Debug, Template)]
#[template(path = "pages/persons/_facts_part.html")]
struct FactsPart {
    facts: Facts,
}

impl Facts {
    /// What is known of a person; of their events nothing, as long as it is not said.
    #[must_use]
    pub fn new(project: &Project, zone: &TimeZone, person: &Person, known: Option<&PersonFacts>) -> Self {
        let span = known.and_then(|facts| facts.span);
        let groups = known.map(|facts| facts.groups.as_slice()).unwrap_or_default();
        Self {
            missing: None,
            events: known.map(|_| grouped(span.map_or(0, |span| span.count))),
            first: span.map(|span| Moment::new(zone, span.first)),
            last: span.map(|span| Moment::new(zone, span.last)),
            created: person.profile.as_ref().map(|profile| Moment::new(zone, profile.created_at)),
            groups: groups.iter().map(|group| GroupLink::new(project, group)).collect(),
        }
    }
}

impl GroupLink {
    fn new(project: &Project, group: &PersonGroup) -> Self {
        let PersonGroup { group_type, key, label } = group;
        Self {
            type_name: group_type.name.clone(),
            label: label.clone(),
            href: format!("/project/{}/groups/{}/{}", project.id, group_type.index, path_segment(key)),
        }
    }
}

impl Missing {
    /// The ways from a page that stands at `here` to the part of it at `src`.
    #[must_use]
    pub fn of(src: String, here: &str) -> Self {
        let mark = if here.contains('?') { '&' } else { '?' };
        Self { src, href: format!("{here}{mark}facts=1") }
    }
}

/// `GET /project/{project}/persons/{uuid}/facts`: the part of the page, for script.
pub async fn get_by_uuid(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByUuid { uuid }): Path<ByUuid>,
) -> Result<Response, WebError> {
    let uuid = uuid.parse().map_err(|_| Cause::NotFound)?;
    part(&access, &state, &PersonFound::ByUuid(uuid)).await
}

/// `GET /project/{project}/person/{distinct_id}/facts`: the same of whoever has a distinct id.
pub async fn get_by_distinct_id(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(ByDistinctId { distinct_id }): Path<ByDistinctId>,
) -> Result<Response, WebError> {
    part(&access, &state, &PersonFound::ByDistinctId(distinct_id)).await
}

async fn part(access: &ProjectAccess, state: &AppState, by: &PersonFound) -> Result<Response, WebError> {
    let project = &access.project;
    let person = explore::find_person(&state.pg, project.id, by).await?.ok_or(Cause::NotFound)?;
    let read = explore::find_person_facts(&state.pg, &state.ch, project.id, &person.event_ids, state.clock.now());
    // Script says what it means for the page that a part of it does not come.
    let known = explore::unless_away(&state.ch, read).await?.ok_or_else(clickhouse_is_away)?;
    if person.profile.is_none() && known.span.is_none() {
        return Err(Cause::NotFound.into());
    }
    render(&FactsPart { facts: Facts::new(project, &project.time_zone.rules(), &person, Some(&known)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_stays_at_the_place_in_the_events() {
        let missing = Missing::of("/p/facts".to_owned(), "/p?before=1");
        assert_eq!((missing.src.as_str(), missing.href.as_str()), ("/p/facts", "/p?before=1&facts=1"));
        assert_eq!(Missing::of("/p/facts".to_owned(), "/p").href, "/p?facts=1");
    }
}
