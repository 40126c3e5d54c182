//! Two projects: whatever is asked in one, nothing of the other ever shows.

use serde_json::{Value, json};
use tenrec::insights::QUERY_KINDS;

use super::Desk;
use super::kinds;

/// A word that stands in everything the other project holds.
const CANARY: &str = "canary";

fn life(word: &str, session: &str) -> Value {
    json!([
        { "event": format!("{word}-event"), "distinct_id": "shared", "timestamp": "2026-11-01T10:00:00Z",
          "properties": { "secret": word, "$browser": word, "$session_id": session, "$current_url": format!("https://x.example/{word}"),
              "$set": { "email": format!("{word}@example.com"), "name": word } } },
        { "event": "$identify", "distinct_id": "shared", "timestamp": "2026-11-01T10:01:00Z",
          "properties": { "$anon_distinct_id": format!("{word}-anon"), "secret": word, "$session_id": session } },
        { "event": "same", "distinct_id": format!("{word}-nobody"), "timestamp": "2026-11-01T10:02:00Z",
          "properties": { "secret": word, "$process_person_profile": false, "$groups": { "company": "shared" } } },
        { "event": "$groupidentify", "distinct_id": "shared", "timestamp": "2026-11-01T10:03:00Z",
          "properties": { "$group_type": "company", "$group_key": "shared", "$group_set": { "secret": word }, "secret": word } },
    ])
}

#[tokio::test]
async fn nothing_of_another_project_ever_shows() {
    let desk = Desk::start().await;
    let (_, _, theirs) = desk.app.stranger().await;
    let session = "0199c000-0000-7000-8000-00000000000a";
    desk.send(&life("mine", session)).await;
    desk.send_to(&theirs, &life(CANARY, session)).await;
    desk.send_to(&theirs, &life(CANARY, "0199c000-0000-7000-8000-00000000000b")).await;
    assert_eq!(desk.app.ch_count("SELECT count() FROM events").await, 12);
    // A cohort and an action here that would take in anybody.
    let anybody = desk.cohort("anybody", json!([{ "type": "person", "key": "email", "operator": "is_set" }])).await;
    let anything = desk.action("anything", json!([{ "event": null }])).await;
    let in_anybody = json!([{ "type": "cohort", "key": "id", "value": anybody }]);
    let of_group = json!([{ "type": "group", "group_type_index": 0, "key": "secret", "operator": "is_set" }]);

    for sql in [
        "select * from events",
        "select event, properties, person.properties, pdi.person.properties, person_id from events",
        "select e.event, f.properties.secret from events e cross join events f",
        "select e.event, f.properties.secret, f.pdi.person.properties.email from events e join events f on e.distinct_id = f.distinct_id",
        "select e.event from events e left join events f on 1 = 1",
        "select * from persons",
        "select properties from persons union all select properties from events",
        "select * from person_distinct_ids",
        "select distinct_id, person.properties.email from person_distinct_ids",
        "select * from raw_person_distinct_ids",
        "select p.properties, e.properties from events e full join persons p on p.id = e.person_id",
        "select p.properties from events e right join persons p on p.id = e.person_id",
        "select * from sessions",
        "select event, session.$entry_current_url, session.distinct_id from events",
        "select groupArray(properties.secret) from events",
        "select (select groupArray(properties.secret) from events), event from events",
        "with a as (select * from events), b as (select * from a) select * from b union all select * from a",
        "select event from events where properties.secret in (select properties.secret from events)",
        "select event from events where 1 = 1 or 1 = 1",
        "select event from events where not 1 = 0 or event = 'canary-event'",
        "select arrayJoin(groupUniqArray(properties.$browser)) from events",
        "select event, row_number() over (order by timestamp) from events",
        "select event, properties from events where exists (select properties.secret from events)",
        "select distinct on (event) event, properties from events order by timestamp desc",
        "select event, properties.secret, count() from events group by all",
        "select *, count() from (select * from events) group by all",
        "select exists(select 1 from events where properties.secret = 'canary'), 'seen'",
        "select * from (select * from (select * from events) union all select * from events)",
        "select event, group_0.properties.secret, group_0.properties, group_0.key from events",
        "select key, properties.secret, properties from groups",
        "select e.event, g.properties from events e cross join groups g",
        "select event, properties from events where person_id in cohort 'anybody'",
        "select event, properties from events where person_id not in cohort 'anybody'",
        "select event, properties from events where matchesAction('anything')",
        "select person_id, cohort_id from cohort_people",
        "select stored, number from person_numbers",
    ] {
        let reply = desk.reply(json!({ "kind": "HogQLQuery", "query": sql })).await;
        assert_eq!(reply.status.as_u16(), 200, "{sql}\n{}", reply.text());
        let rows = reply.json()["results"].to_string();
        assert!(!rows.contains(CANARY), "{sql}\n{rows}");
        assert!(rows.len() > 4, "{sql} finds nothing, so it proves nothing");
    }
    for (sql, count) in [
        ("select count() from events", 4),
        ("select exists(select event from events where properties.secret = 'mine')", 1),
        ("select exists(select event from events where properties.secret = 'canary')", 0),
        ("select count() from events where not exists(select id from persons where properties.name = 'canary')", 4),
        ("select count() from (select distinct on (properties.secret) event from events)", 1),
        ("select count() from (select properties.secret, count() from events group by all)", 1),
        ("select count() from groups", 1),
        ("select count() from cohort_people", 1),
        ("select count() from cohorts", 1),
        ("select count() from events where matchesAction('anything')", 4),
        ("select count() from events where person_id in cohort 'anybody'", 3),
        ("select count() from persons", 1),
        ("select count() from person_distinct_ids", 2),
        ("select count() from raw_person_distinct_ids", 2),
        ("select count() from sessions", 1),
        ("select $event_count from sessions", 2),
        ("select uniq(person_id) from events", 2),
    ] {
        assert_eq!(desk.rows(sql).await, json!([[count]]), "{sql}");
    }
    for query in [
        json!({ "kind": "EventsQuery", "select": ["*", "person"], "after": "all" }),
        json!({ "kind": "EventsQuery", "select": ["*", "person"], "after": "all", "properties": in_anybody }),
        json!({ "kind": "EventsQuery", "select": ["*", "group_0.properties"], "after": "all", "properties": of_group }),
        json!({ "kind": "EventsQuery", "select": ["*"], "after": "all", "actionId": anything }),
        json!({ "kind": "ActorsQuery", "properties": in_anybody }),
        json!({ "kind": "ActorsQuery" }),
        json!({ "kind": "ActorsQuery", "search": CANARY }),
        json!({ "kind": "ActorsQuery", "source": { "kind": "HogQLQuery", "query": "select person_id from events" } }),
        json!({ "kind": "FunnelsQuery", "series": [{}, {}], "breakdownFilter": { "breakdown": "secret" },
            "dateRange": { "date_from": "all" }, "funnelsFilter": { "breakdownAttributionType": "all_events" } }),
        json!({ "kind": "FunnelsQuery", "series": [{}, {}], "dateRange": { "date_from": "all" },
            "breakdownFilter": { "breakdown": [anybody, "all"], "breakdown_type": "cohort" } }),
        json!({ "kind": "PathsQuery", "dateRange": { "date_from": "all" },
            "pathsFilter": { "pathsHogQLExpression": "event || properties.secret" },
            "funnelPathsFilter": { "funnelPathType": "funnel_path_after_step", "funnelStep": 1,
                "funnelSource": { "kind": "FunnelsQuery", "series": [{}, {}], "dateRange": { "date_from": "all" } } } }),
        json!({ "kind": "WebGoalsQuery", "dateRange": { "date_from": "all" } }),
        json!({ "kind": "RetentionQuery", "dateRange": { "date_from": "2026-10-30" },
            "retentionFilter": { "targetEntity": { "id": null }, "returningEntity": { "id": null } },
            "breakdownFilter": { "breakdown": "secret", "breakdown_type": "event" } }),
        json!({ "kind": "PathsQuery", "dateRange": { "date_from": "all" },
            "pathsFilter": { "pathsHogQLExpression": "event || properties.secret" } }),
        json!({ "kind": "ActorsQuery", "select": ["person", "appearances"], "source": { "kind": "InsightActorsQuery",
            "interval": 0, "source": { "kind": "RetentionQuery", "dateRange": { "date_from": "2026-11-01" },
                "retentionFilter": { "targetEntity": { "id": null }, "returningEntity": { "id": null } } } } }),
        json!({ "kind": "TrendsQuery", "series": [{}], "breakdownFilter": { "breakdown": "secret" } }),
        json!({ "kind": "TrendsQuery", "series": [{ "math": "first_time_for_user" }], "breakdownFilter": { "breakdown": "secret" } }),
        json!({ "kind": "TrendsQuery", "series": [{ "math": "hogql", "math_hogql": "count()" }],
            "breakdownFilter": { "breakdowns": [{ "property": "secret" }, { "property": "email", "type": "person" }] } }),
        json!({ "kind": "ActorsQuery", "source": { "kind": "InsightActorsQuery", "breakdown": "mine",
            "source": { "kind": "TrendsQuery", "series": [{}], "breakdownFilter": { "breakdown": "secret" } } } }),
    ] {
        let rows = desk.answer(query.clone()).await["results"].to_string();
        assert!(!rows.contains(CANARY), "{query}\n{rows}");
    }
}

#[tokio::test]
async fn what_another_project_holds_changes_no_answer_of_any_kind() {
    let desk = Desk::start().await;
    let (_, _, theirs) = desk.app.stranger().await;
    desk.action("bought", json!([{ "event": "buy" }])).await;
    let ask = async |kind: &str| desk.answer(kinds::question(kind)).await["results"].clone();
    let mut empty = Vec::new();
    for kind in QUERY_KINDS {
        empty.push(ask(kind).await);
    }
    desk.send(&kinds::life("mine")).await;
    let mut before = Vec::new();
    for (kind, empty) in QUERY_KINDS.iter().zip(empty) {
        let results = ask(kind).await;
        assert_ne!(results, empty, "{kind} finds nothing, so it proves nothing");
        before.push(results);
    }
    // The same people, sessions and times, and others besides.
    for word in ["mine", CANARY, "third"] {
        desk.send_to(&theirs, &kinds::life(word)).await;
    }
    assert_eq!(desk.app.ch_count("SELECT count() FROM events").await, 120);
    for (kind, before) in QUERY_KINDS.iter().zip(before) {
        assert_eq!(ask(kind).await, before, "{kind}");
    }
}
