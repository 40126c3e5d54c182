use super::*;
use crate::model::query::{Operator, PropertyFilter, PropertyScope};
use crate::storage::ch::Param;

fn moment(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn stretches_meet_and_cover_all_time() {
    let now = moment("2026-11-21T12:00:00Z");
    let cursor = EventCursor { at: now, uuid: Uuid::nil() };
    for page in [EventPage::Newest, EventPage::OlderThan(cursor), EventPage::NewerThan(cursor)] {
        let mut found = stretches(&EventFilter::default(), page, now);
        if !matches!(page, EventPage::NewerThan(_)) {
            found.reverse();
        }
        assert_eq!((found[0].0, found[found.len() - 1].1), (None, None), "{page:?}");
        assert!(found.windows(2).all(|pair| pair[0].1.is_some() && pair[0].1 == pair[1].0), "{page:?}: {found:?}");
    }
}

#[test]
fn stretches_beyond_the_filter_are_left_out() {
    let now = moment("2026-11-21T12:00:00Z");
    let filter = EventFilter { from: Some(moment("2026-11-21T06:00:00Z")), ..EventFilter::default() };
    assert_eq!(stretches(&filter, EventPage::Newest, now).len(), 2);
}

#[test]
fn what_a_request_sent_is_never_in_the_text() {
    let property = PropertyFilter {
        scope: PropertyScope::Event,
        key: "$browser".to_owned(),
        operator: Operator::Exact,
        values: vec!["x' OR 1 --".to_owned()],
    };
    let filter = EventFilter {
        names: vec!["'; DROP".to_owned()],
        persons: Some(vec![PersonId::from_event(7)]),
        properties: PropertyGroup::all(vec![property]),
        ..EventFilter::default()
    };
    let mut sql = Sql::default();
    push_filter(&mut sql, ProjectId::new(3), &filter);
    let text = sql.text();
    assert!(text.starts_with(
        "project_id = {p0:UInt32}\n  AND event IN {p1:Array(String)}\n  AND person_id IN {p2:Array(UInt64)}"
    ));
    assert!(!text.contains("DROP") && !text.contains("OR 1"), "{text}");
    assert_eq!(sql.params().last(), Some(&Param::Text("x' OR 1 --".to_owned())));
}
