//! What a new project's home shows: the questions everybody starts with.

use crate::model::query::{
    Breakdown, DateBound, DateRange, Display, Edge, Interval, Math, Operator, PropertyFilter, PropertyGroup,
    PropertyScope, RangeUnit, Series, TrendsQuery,
};
use crate::model::{Clock, ProjectId};
use crate::storage::pg::{NewTile, Pg, PgError};

use super::saved::new_insight;

/// Makes the home dashboard of a project with its starter tiles, unless it has one. Safe to repeat.
///
/// # Errors
/// If Postgres does not answer; then nothing is made.
pub async fn create(pg: &Pg, clock: &Clock, project: ProjectId) -> Result<(), PgError> {
    let tiles: Vec<_> = starters()
        .into_iter()
        .map(|(name, width, query)| NewTile { width, insight: new_insight(clock, name, query.to_json(), None) })
        .collect();
    pg.create_home_dashboard(project, "Home", &tiles, clock.now()).await
}

/// Name, width of 12, and question of each starter tile.
fn starters() -> Vec<(&'static str, i32, TrendsQuery)> {
    let pageviews = |math| TrendsQuery::of(vec![Series::of("$pageview", math)]);
    let by = |key: &str, limit| Some(Breakdown { limit, ..Breakdown::by(PropertyScope::Event, key) });
    let today = DateRange::since(DateBound::Relative { back: 0, unit: RangeUnit::Day, edge: Some(Edge::Start) });
    let is_set = |key: &str| {
        let key = key.to_owned();
        PropertyGroup::all(vec![PropertyFilter {
            scope: PropertyScope::Event,
            key,
            operator: Operator::IsSet,
            values: Vec::new(),
        }])
    };
    vec![
        (
            "Pageviews today",
            4,
            TrendsQuery {
                // Not compared: a day that has just begun would always be behind.
                date_range: today,
                display: Display::Number,
                ..pageviews(Math::Total)
            },
        ),
        (
            "Pageviews, last 7 days",
            4,
            TrendsQuery { display: Display::Number, is_compared: true, ..pageviews(Math::Total) },
        ),
        (
            "Visitors, last 7 days",
            4,
            TrendsQuery { display: Display::Number, is_compared: true, ..pageviews(Math::UniqueUsers) },
        ),
        ("Daily active users", 6, TrendsQuery { date_range: DateRange::last_days(30), ..pageviews(Math::UniqueUsers) }),
        (
            "Weekly active users",
            6,
            TrendsQuery {
                date_range: DateRange::last_days(90),
                interval: Interval::Week,
                display: Display::Bar,
                ..pageviews(Math::UniqueUsers)
            },
        ),
        (
            "Referring domains, last 14 days",
            4,
            TrendsQuery {
                date_range: DateRange::last_days(14),
                display: Display::BarValue,
                breakdown: by("$referring_domain", 8),
                ..pageviews(Math::UniqueUsers)
            },
        ),
        (
            "Top pages, last 14 days",
            4,
            TrendsQuery {
                date_range: DateRange::last_days(14),
                display: Display::BarValue,
                breakdown: by("$pathname", 8),
                properties: is_set("$pathname"),
                ..pageviews(Math::Total)
            },
        ),
        (
            "Browsers, last 14 days",
            4,
            TrendsQuery {
                date_range: DateRange::last_days(14),
                display: Display::BarValue,
                breakdown: by("$browser", 8),
                ..pageviews(Math::UniqueUsers)
            },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starters_read_back_as_they_are_kept() {
        for (name, width, query) in starters() {
            assert_eq!(TrendsQuery::parse(&query.to_json()), Ok(query), "{name}");
            assert!((1..=12).contains(&width));
        }
    }
}
