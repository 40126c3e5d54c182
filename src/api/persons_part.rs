//! Who became one with a person, over the API: splitting (PROTOCOL §7.2), and what is our own: the merge log and undoing.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{OriginalUri, Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cursor::{Asked, CursorPage};
use super::persons::{PersonOut, PersonPath, find};
use super::projects::Body;
use crate::http::{ApiError, ApiProjectAccess, AppState, Cause, Site};
use crate::identity::{CannotPart, HandError, Identity, MAX_SPLIT, Part, SplitOff};
use crate::model::{PersonId, Role};
use crate::storage::pg::{MergeLine, MergePage};

/// Which distinct ids get off a person.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SplitIn {
    /// All but this one.
    main_distinct_id: Option<String>,
    /// These.
    distinct_ids_to_split: Option<Vec<String>>,
}

/// It was done.
#[derive(Debug, Serialize)]
pub struct SplitOut {
    success: bool,
}

/// It was undone.
#[derive(Debug, Serialize)]
pub struct UndoneOut {
    success: bool,
    /// Who left; null if they never had a profile.
    person: Option<PersonOut>,
}

/// A merge, as the API shows it.
#[derive(Debug, Serialize)]
pub struct MergeOut {
    id: i64,
    merged_at: Timestamp,
    /// The distinct id that was joined, and the one it was joined to.
    distinct_id: String,
    target_distinct_id: String,
    /// Whether two people with profiles became one, and not only an id was given to a person.
    joined_profiles: bool,
    /// The event that asked for it; null if it was done by hand.
    event: Option<String>,
    event_uuid: Option<Uuid>,
    /// The name of who did it by hand, if they still have an account.
    merged_by: Option<String>,
    undone_at: Option<Timestamp>,
    undone_by: Option<String>,
}

/// The path of a person's merge.
#[derive(Debug, Deserialize)]
pub struct MergePath {
    uuid: String,
    merge: i64,
}

impl From<MergeLine> for MergeOut {
    fn from(line: MergeLine) -> Self {
        Self {
            id: line.id,
            merged_at: line.at,
            distinct_id: line.other_distinct_id,
            target_distinct_id: line.target_distinct_id,
            joined_profiles: line.joined_profiles,
            event: line.event_name,
            event_uuid: line.event_uuid,
            merged_by: line.user_name,
            undone_at: line.undone_at,
            undone_by: line.undone_by,
        }
    }
}

/// `POST /api/projects/{project}/persons/{person}/split/`: each of these distinct ids gets off the person alone, all of them or
/// none. With an empty object, all but those that the profile was made for.
pub async fn split(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<PersonPath>,
    Body(body): Body<SplitIn>,
) -> Result<Json<SplitOut>, ApiError> {
    access.require(Role::Member)?;
    let project = access.project.id;
    let field = match body.distinct_ids_to_split {
        Some(_) => "distinct_ids_to_split",
        None => "main_distinct_id",
    };
    let wish = match (&body.distinct_ids_to_split, body.main_distinct_id.as_deref()) {
        (Some(_), Some(_)) => {
            return Err(Cause::invalid(field, "Either this or main_distinct_id is needed, not both.").into());
        }
        (Some(ids), None) if ids.is_empty() => return Err(Cause::invalid(field, "This must not be empty.").into()),
        (Some(ids), None) => SplitOff::These(ids),
        (None, Some(main)) => SplitOff::AllBut(main),
        (None, None) => SplitOff::AllButOwn,
    };
    let person = find(&state, project, &path.person).await?;
    let identity = Identity::new(state.pg.clone());
    let done = identity.split(&state.ch, project, person.id, wish, access.user.id, state.clock.now()).await;
    match done {
        Ok(_) => Ok(Json(SplitOut { success: true })),
        Err(HandError::CannotSplit { id, why: CannotPart::NotTheirs }) => {
            Err(Cause::invalid(field, format!("{id:?} is not one of this person's distinct ids.")).into())
        }
        Err(HandError::TooMany) => {
            let detail = format!("At most {MAX_SPLIT} distinct ids can be split off in one request.");
            Err(Cause::invalid(field, detail).into())
        }
        Err(error) => Err(refused(error).into()),
    }
}

/// `GET /api/projects/{project}/persons/{person}/merges/`: newest first, those that were undone too, a page at a time.
pub async fn list(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    site: Site,
    OriginalUri(uri): OriginalUri,
    Path(path): Path<PersonPath>,
    Query(params): Query<HashMap<String, String>>,
) -> Result<Json<CursorPage<MergeOut>>, ApiError> {
    let asked = Asked::new(&params)?;
    let place =
        |text: &str| text.parse::<i64>().map_err(|_| Cause::invalid("cursor", "this is no place in this list."));
    let page = match asked.cursor() {
        None => MergePage::Newest,
        Some((false, text)) => MergePage::OlderThan(place(text)?),
        Some((true, text)) => MergePage::NewerThan(place(text)?),
    };
    let person = find(&state, access.project.id, &path.person).await?;
    let mut lines = state.pg.list_merges(access.project.id, person.id, page, asked.limit + 1).await?;
    let has_more = lines.len() > asked.limit;
    match page {
        // Read upwards: what is too much stands first.
        MergePage::NewerThan(_) if has_more => drop(lines.remove(0)),
        _ => lines.truncate(asked.limit),
    }
    let edges = lines.first().zip(lines.last()).map(|(first, last)| (first.id.to_string(), last.id.to_string()));
    let url = format!("{}{}", site.url, uri.path());
    Ok(Json(asked.page(&url, edges, has_more, lines.into_iter().map(MergeOut::from).collect())))
}

/// `POST /api/projects/{project}/persons/{person}/merges/{merge}/undo/`.
pub async fn undo(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Path(path): Path<MergePath>,
) -> Result<Json<UndoneOut>, ApiError> {
    access.require(Role::Member)?;
    let project = access.project.id;
    let person = find(&state, project, &path.uuid).await?;
    // The newest of those up to it is it, or it is none of theirs.
    let up_to = MergePage::OlderThan(path.merge.saturating_add(1));
    let found = state.pg.list_merges(project, person.id, up_to, 1).await?;
    found.first().filter(|line| line.id == path.merge).ok_or(Cause::NotFound)?;
    let (identity, now) = (Identity::new(state.pg.clone()), state.clock.now());
    let left = identity.part(&state.ch, project, Part::Merge(path.merge), access.user.id, now).await;
    let left: Vec<PersonId> = left.map_err(refused)?.into_iter().collect();
    let person = state.pg.list_persons_by_id(project, &left).await?.into_iter().next();
    Ok(Json(UndoneOut { success: true, person: person.map(PersonOut::from) }))
}

/// What cannot be done is at odds with what is stored.
fn refused(error: HandError) -> Cause {
    match error {
        HandError::Postgres(error) => error.into(),
        other => Cause::Conflict(other.sentence()),
    }
}
