//! `GET /project/{project}/persons/export.csv`: everybody that the list would show, as a file.
//!
//! The rows are read a thousand at a time, each part only when the one before it was sent, so that a million people take no
//! more memory than a thousand and nothing is held open in Postgres meanwhile. The file is therefore no picture of one
//! moment; it goes from the newest person to the oldest, an order that does not change, so nobody is in it twice or missing.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::state::PeopleState;
use crate::http::{AppState, Cause, ProjectAccess, WebError};
use crate::model::ProjectId;
use crate::storage::pg::{PersonOrder, PersonPage, PersonQuery, PersonRow, PersonSlice, PgError, askers_mistake};

/// People read at once.
const PART: usize = 1_000;

const HEAD: &str = "id,uuid,name,email,created_at,last_seen_at,is_identified,distinct_ids,properties\r\n";

/// The file. Its filters are the list's.
pub async fn get(
    access: ProjectAccess,
    State(state): State<AppState>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, WebError> {
    let project = access.project.id;
    let (question, mistakes) = PeopleState::parse(&pairs).question();
    if let Some(mistake) = mistakes.into_iter().next() {
        return Err(Cause::Invalid { field: None, detail: mistake }.into());
    }
    let question = PersonQuery { order: PersonOrder::default(), ..question };
    // The first part is read before anything is said, so that what is wrong with the filters is an error and no broken file.
    let first = match part(&state, project, &question, &PersonPage::First).await {
        Ok(slice) => slice,
        Err(error) => {
            let detail = askers_mistake(&error).ok_or(error)?.to_owned();
            return Err(Cause::Invalid { field: None, detail }.into());
        }
    };
    let head = stream::iter([Ok::<_, PgError>(Bytes::from_static(HEAD.as_bytes()))]);
    let rows = stream::try_unfold(Some(first), move |slice| {
        let (state, question) = (state.clone(), question.clone());
        async move {
            let Some(slice) = slice else { return Ok(None) };
            let bytes = Bytes::from(lines(&slice.people));
            let next = match slice.edges.filter(|_| slice.has_more) {
                Some((_, last)) => Some(part(&state, project, &question, &PersonPage::After(last)).await?),
                None => None,
            };
            Ok::<_, PgError>(Some((bytes, next)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"people-{project}.csv\"")),
    ];
    // Should Postgres stop answering half way, the connection breaks: a browser says that the download failed.
    let body = Body::from_stream(futures_util::StreamExt::chain(head, rows));
    Ok((headers, body).into_response())
}

async fn part(
    state: &AppState,
    project: ProjectId,
    question: &PersonQuery,
    page: &PersonPage,
) -> Result<PersonSlice, PgError> {
    state.pg.list_persons(project, question, page, PART, i32::MAX).await
}

fn lines(people: &[PersonRow]) -> String {
    let mut text = String::with_capacity(people.len() * 512);
    for person in people {
        let property = |key| person.properties.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let ids = serde_json::to_string(&person.distinct_ids).expect("texts can be printed as JSON");
        let properties = serde_json::to_string(&person.properties).expect("a JSON value can be printed");
        let cells: [&str; 9] = [
            &person.id.get().to_string(),
            &person.uuid.to_string(),
            property("name"),
            property("email"),
            &person.created_at.to_string(),
            &person.last_seen_at.to_string(),
            if person.is_identified { "true" } else { "false" },
            &ids,
            &properties,
        ];
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&quoted(cell));
        }
        text.push_str("\r\n");
    }
    text
}

/// A cell as RFC 4180 writes it. One that a spreadsheet would take for a formula begins with an apostrophe instead: what
/// people are called is written by visitors.
fn quoted(cell: &str) -> Cow<'_, str> {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if !is_formula && !cell.contains([',', '"', '\r', '\n']) {
        return Cow::Borrowed(cell);
    }
    let mark = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{mark}{}\"", cell.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_several_nor_a_formula() {
        assert_eq!(quoted("Ada"), "Ada");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
        for formula in ["=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert!(quoted(formula).starts_with("\"'"), "{formula}");
        }
        assert_eq!(quoted(""), "");
    }
}
