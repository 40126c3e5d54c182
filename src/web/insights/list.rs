//! The list of saved insights.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::super::{Section, Shell};
use super::form::DISPLAYS;
use crate::http::{AppState, ProjectAccess, WebError, page};
use crate::model::Project;
use crate::model::query::TrendsQuery;
use crate::storage::pg::SavedInsight;

/// Insights of one page.
const PAGE_SIZE: i64 = 50;

#[derive(Debug, Template)]
#[template(path = "pages/insights/list.html")]
struct Page {
    shell: Shell,
    project: Project,
    search: String,
    insights: Vec<Item>,
    page: i64,
    has_more: bool,
    is_deleted: bool,
}

#[derive(Debug)]
struct Item {
    insight: SavedInsight,
    icon: &'static str,
    kind: &'static str,
}

/// What the list may be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    search: String,
    page: i64,
    done: String,
}

impl Item {
    fn of(insight: SavedInsight) -> Self {
        let display = TrendsQuery::parse(&insight.query).map(|query| query.display);
        let found = display.ok().and_then(|display| DISPLAYS.iter().find(|(_, _, d)| *d == display));
        let (icon, kind) = match found {
            Some(("values", label, _)) => ("bar", *label),
            Some((word, label, _)) => (*word, *label),
            None => ("insights", "Unknown"),
        };
        Self { insight, icon, kind }
    }
}

impl Page {
    fn base(&self) -> String {
        format!("/project/{}/insights", self.project.id)
    }

    fn page_href(&self, page: i64) -> String {
        let pairs = [("search", self.search.clone()), ("page", page.to_string())];
        format!("?{}", serde_urlencoded::to_string(pairs).unwrap_or_default())
    }
}

/// `GET /project/{project}/insights`.
pub async fn get(
    State(state): State<AppState>,
    access: ProjectAccess,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let number = query.page.clamp(0, 10_000);
    let search = query.search.trim().to_owned();
    let mut insights = state.pg.list_insights(access.project.id, &search, PAGE_SIZE + 1, number * PAGE_SIZE).await?;
    let has_more = insights.len() > usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    insights.truncate(usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX));
    page(&Page {
        shell: Shell::load(&state, &access.user, Some(&access.project), Section::Insights).await?,
        insights: insights.into_iter().map(Item::of).collect(),
        project: access.project,
        is_deleted: query.done == "deleted",
        search,
        page: number,
        has_more,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::InsightId;

    #[test]
    fn the_list_renders_full_empty_and_with_nothing_found() {
        let insight = SavedInsight {
            id: InsightId::new(1),
            short_id: "abc".to_owned(),
            name: "<i>Signups".to_owned(),
            query: json!({ "kind": "TrendsQuery", "series": [{ "event": "a" }] }),
            created_by: Some("Ada".to_owned()),
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let list = |insights: Vec<SavedInsight>, search: &str| Page {
            shell: Shell::sample(Section::Insights),
            project: crate::web::tests::sample_project(),
            search: search.to_owned(),
            insights: insights.into_iter().map(Item::of).collect(),
            page: 1,
            has_more: true,
            is_deleted: true,
        };
        crate::web::tests::assert_page(&list(vec![insight], ""), "a[href='/project/1/insights/abc']");
        crate::web::tests::assert_page(&list(vec![], ""), ".empty a[href='/project/1/insights/new']");
        crate::web::tests::assert_page(&list(vec![], "x"), ".empty a[href='/project/1/insights']");
    }
}
