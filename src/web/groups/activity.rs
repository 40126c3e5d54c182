//! Who acted in a group lately, and how much. It takes a look at every event of those days: the group's page comes without, and
//! script asks for it; without script a link does.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::tz::TimeZone;

use super::show::GroupPath;
use crate::http::{AppState, Cause, ProjectAccess, WebError, page as render};
use crate::insights::explore::{self, ACTIVE_WITHIN_DAYS, ExploreError, GroupMember, GroupSummary};
use crate::model::ProjectId;
use crate::storage::pg::GroupRow;
use crate::web::events::{clickhouse_is_away, person_href};
use crate::web::insights::grouped;
use crate::web::persons::{Missing, Moment, initial};

/// People that are named.
const MOST_PEOPLE: usize = 50;

/// The line of facts below a group's name, and the card of its people.
#[derive(Debug)]
pub struct Activity {
    /// The ways to what is missing; none if nothing is, or it cannot be read.
    pub missing: Option<Missing>,
    pub days: i64,
    /// None if it is not known.
    pub known: Option<Acted>,
    /// When the group was first described; none for one that only events name.
    pub created: Option<Moment>,
}

/// What happened in a group.
#[derive(Debug)]
pub struct Acted {
    /// How many events there were, in words.
    pub events: String,
    /// How many people acted, in words.
    pub actors: String,
    pub has_more_people: bool,
    pub people: Vec<MemberLine>,
}

/// Somebody who acted in the group.
#[derive(Debug)]
pub struct MemberLine {
    pub label: String,
    pub initial: String,
    pub href: String,
    pub has_profile: bool,
    pub event_count: u64,
    pub last: Moment,
}

#[derive(Debug, Template)]
#[template(path = "pages/groups/_activity_part.html")]
struct ActivityPart {
    activity: Activity,
}

impl Activity {
    /// What is known of a group; of what happened in it nothing, as long as it is not said.
    #[must_use]
    pub fn new(project: ProjectId, zone: &TimeZone, group: Option<&GroupRow>, known: Option<&GroupSummary>) -> Self {
        let acted = |summary: &GroupSummary| Acted {
            events: grouped(summary.event_count),
            actors: grouped(summary.person_count),
            has_more_people: summary.person_count > summary.members.len() as u64,
            people: summary.members.iter().map(|member| MemberLine::new(project, zone, member)).collect(),
        };
        Self {
            missing: None,
            days: ACTIVE_WITHIN_DAYS,
            known: known.map(acted),
            created: group.map(|group| Moment::new(zone, group.created_at)),
        }
    }
}

impl MemberLine {
    fn new(project: ProjectId, zone: &TimeZone, member: &GroupMember) -> Self {
        let GroupMember { activity, name, distinct_id } = member;
        Self {
            label: name.label.clone(),
            initial: initial(&name.label),
            href: person_href(project, distinct_id),
            has_profile: name.has_profile,
            event_count: activity.event_count,
            last: Moment::new(zone, activity.last_at),
        }
    }
}

/// Reads what happened in a group.
pub(super) async fn read(
    state: &AppState,
    project: ProjectId,
    index: i16,
    key: &str,
) -> Result<GroupSummary, ExploreError> {
    explore::summarise_group(&state.pg, &state.ch, project, index, key, MOST_PEOPLE, state.clock.now()).await
}

/// `GET /project/{project}/groups/{type}/{key}/activity`: the part of the page, for script.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Path(path): Path<GroupPath>,
) -> Result<Response, WebError> {
    let project = &access.project;
    let (index, key) = (path.index()?, path.key()?);
    let types = state.pg.list_group_types(project.id).await?;
    if types.iter().all(|one| one.index != index) {
        return Err(Cause::NotFound.into());
    }
    let group = state.pg.find_group(project.id, index, key).await?;
    // Script says what it means for the page that a part of it does not come.
    let summary = explore::unless_away(&state.ch, read(&state, project.id, index, key)).await?;
    let summary = summary.ok_or_else(clickhouse_is_away)?;
    let activity = Activity::new(project.id, &project.time_zone.rules(), group.as_ref(), Some(&summary));
    render(&ActivityPart { activity })
}
