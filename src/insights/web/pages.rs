//! What a table of pages counts apart from views: bounces where a visit began, scrolling and time where a page was left.

use serde_json::Value;

use super::asked::{VIEWS, WebAsked, is_one_of, is_view};
use super::breakdown::beside_host;
use crate::insights::InsightError;
use crate::insights::ground::{EventRows, Ground};
use crate::insights::sql::field;
use crate::model::ProjectSettings;
use crate::sql::{Expr, Span};
use crate::storage::ch::{PageParts, Sql};

const PATH: &str = "$pathname";
const PATH_BEFORE: &str = "$prev_pageview_pathname";

/// Which of them are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedParts {
    pub bounces: bool,
    pub scrolls: bool,
    pub times: bool,
    /// Whether a page is told with its host.
    pub with_host: bool,
}

/// Their events, ready for the store.
#[derive(Debug, Default)]
pub struct PageEvents {
    bounces: Option<Sql>,
    scrolls: Option<Sql>,
    times: Option<Sql>,
}

/// What becomes of a filter by path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathFilter {
    Stays,
    /// It would leave out sessions that entered on another page and came here later.
    IsDropped,
    /// What is said of the page before is on the event after it.
    IsOfPageBefore,
}

impl PageEvents {
    /// Reads what is wanted.
    ///
    /// # Errors
    /// If a filter makes no sense or a store does not answer.
    pub async fn of(
        ground: &Ground<'_>,
        json: &Value,
        asked: &WebAsked,
        wanted: WantedParts,
    ) -> Result<Self, InsightError> {
        let mut events = Self::default();
        let number = |key: &str| Expr::call("toFloat", vec![field(&["properties", key])], Span::default());
        let page = || {
            let path = field(&["properties", PATH_BEFORE]);
            if wanted.with_host { beside_host(path) } else { path }
        };
        let left = || is_one_of(&[VIEWS[0], VIEWS[1], "$pageleave"]);
        if wanted.bounces {
            let filter = if wanted.scrolls { PathFilter::Stays } else { PathFilter::IsDropped };
            let rows = |rows: EventRows| rows.only([is_view()]);
            events.bounces = Some(sql(ground, json, asked, filter, rows).await?);
        }
        if wanted.scrolls {
            let rows = |rows: EventRows| {
                rows.column("key0", page())
                    .column("scrolled", number("$prev_pageview_max_scroll_percentage"))
                    .column("seen", number("$prev_pageview_max_content_percentage"))
                    .only([left()])
            };
            events.scrolls = Some(sql(ground, json, asked, PathFilter::IsOfPageBefore, rows).await?);
        }
        if wanted.times {
            let rows = |rows: EventRows| {
                rows.column("key0", page()).column("seconds", number("$prev_pageview_duration")).only([left()])
            };
            events.times = Some(sql(ground, json, asked, PathFilter::IsOfPageBefore, rows).await?);
        }
        Ok(events)
    }

    /// As the store takes them.
    #[must_use]
    pub fn parts(&self) -> PageParts<'_> {
        PageParts { bounces: self.bounces.as_ref(), scrolls: self.scrolls.as_ref(), times: self.times.as_ref() }
    }
}

async fn sql(
    ground: &Ground<'_>,
    json: &Value,
    asked: &WebAsked,
    filter: PathFilter,
    rows: impl FnOnce(EventRows) -> EventRows,
) -> Result<Sql, InsightError> {
    let context = ground.context;
    let (query, settings) = (with(json, filter), context.settings);
    let filters = adapted(&settings.test_account_filters, filter);
    if query == *json && filters == settings.test_account_filters {
        return Ok(rows(asked.rows(ground)).sql(ground)?);
    }
    let settings = ProjectSettings { test_account_filters: filters, ..settings.clone() };
    let context = crate::insights::QueryContext { settings: &settings, ..context };
    let ground = Ground::of(context, &query).await?;
    Ok(rows(asked.rows(&ground)).sql(&ground)?)
}

fn with(query: &Value, filter: PathFilter) -> Value {
    let mut query = query.clone();
    if let Some(properties) = query.get_mut("properties") {
        *properties = adapted(properties, filter);
    }
    query
}

/// Filters with what becomes of those by path.
fn adapted(filters: &Value, becomes: PathFilter) -> Value {
    match filters {
        Value::Array(items) => items.iter().filter_map(|item| one(item, becomes)).collect(),
        Value::Object(group) => {
            let mut group = group.clone();
            if let Some(values) = group.get_mut("values") {
                *values = adapted(values, becomes);
            }
            group.into()
        }
        other => other.clone(),
    }
}

fn one(filter: &Value, becomes: PathFilter) -> Option<Value> {
    if filter.get("values").is_some() {
        return Some(adapted(filter, becomes));
    }
    let is_of_event = filter.get("type").and_then(Value::as_str).is_none_or(|kind| kind == "event");
    let is_by_path = is_of_event && filter.get("key").and_then(Value::as_str) == Some(PATH);
    match becomes {
        PathFilter::IsDropped if is_by_path => None,
        PathFilter::IsOfPageBefore if is_by_path => {
            let mut filter = filter.clone();
            filter["key"] = PATH_BEFORE.into();
            Some(filter)
        }
        _ => Some(filter.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_by_path_are_dropped_or_moved_and_others_stay() {
        let person = json!({ "type": "person", "key": "$pathname", "value": "/a" });
        let path = json!({ "type": "event", "key": "$pathname", "value": "/a" });
        let before = json!({ "type": "event", "key": "$prev_pageview_pathname", "value": "/a" });
        let list = json!([path, person, { "type": "OR", "values": [path, person] }]);
        assert_eq!(adapted(&list, PathFilter::Stays), list);
        assert_eq!(adapted(&list, PathFilter::IsDropped), json!([person, { "type": "OR", "values": [person] }]));
        let moved = json!([before, person, { "type": "OR", "values": [before, person] }]);
        assert_eq!(adapted(&list, PathFilter::IsOfPageBefore), moved);
    }
}
