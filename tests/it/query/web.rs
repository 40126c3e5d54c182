//! Questions about the web beside a naive reading of the same visits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Desk;
use super::random::Chance;

const FIRST: &str = "2026-10-01T00:00:00Z";
const PATHS: [&str; 5] = ["/", "/item/1", "/item/22", "/about", "/item/1/edit"];
const SOURCES: [Option<&str>; 3] = [None, Some("news"), Some("ads")];
/// Whose visits become whose.
const MERGES: [(u64, u64); 2] = [(1, 0), (4, 3)];

#[derive(Debug, Clone)]
struct Seen {
    event: &'static str,
    at: Timestamp,
    path: &'static str,
}

#[derive(Debug, Clone)]
struct Visit {
    person: u64,
    browser: &'static str,
    source: Option<&'static str>,
    events: Vec<Seen>,
}

impl Visit {
    fn start(&self) -> Timestamp {
        self.events.iter().map(|seen| seen.at).min().unwrap()
    }

    fn seconds(&self) -> i64 {
        let end = self.events.iter().map(|seen| seen.at).max().unwrap();
        end.as_second() - self.start().as_second()
    }

    fn views(&self) -> Vec<&Seen> {
        self.events.iter().filter(|seen| is_view(seen)).collect()
    }

    /// Nothing of a visit without any view.
    fn is_bounce(&self) -> Option<bool> {
        let clicked = self.events.iter().any(|seen| seen.event == "$autocapture");
        (!self.views().is_empty()).then(|| self.views().len() == 1 && !clicked && self.seconds() < 10)
    }
}

fn is_view(seen: &Seen) -> bool {
    matches!(seen.event, "$pageview" | "$screen")
}

fn first() -> Timestamp {
    FIRST.parse().unwrap()
}

/// Visits by chance but the same each time, sent to the desk's project; and others to another one.
async fn send(desk: &Desk) -> Vec<Visit> {
    let mut chance = Chance::new(5);
    let mut visits = Vec::new();
    let mut sent = Vec::new();
    let mut theirs = Vec::new();
    let mut second = 0;
    for number in 0..70 {
        let id = chance.below(9);
        let pick = |chance: &mut Chance, most: usize| usize::try_from(chance.below(most as u64)).unwrap();
        let browser = ["Firefox", "Safari"][pick(&mut chance, 2)];
        let source = SOURCES[pick(&mut chance, 3)];
        let mut at = first() + i64::try_from(chance.below(14 * 86_400)).unwrap().seconds();
        let mut events = Vec::new();
        for _ in 0..=chance.below(5) {
            let event = ["$pageview", "$pageview", "$pageview", "$screen", "$autocapture", "buy", "$exception"]
                [pick(&mut chance, 7)];
            let path = PATHS[pick(&mut chance, 5)];
            // No two at once, whatever their visits.
            second += 1;
            at += i64::try_from(chance.below(9) + 1).unwrap().seconds();
            if chance.below(30) == 0 {
                at += 20.hours();
            }
            let at = at + second.milliseconds();
            events.push(Seen { event, at, path });
            let mut properties = json!({ "$session_id": format!("visit-{number}"), "$pathname": path,
                "$current_url": format!("https://shop.example{path}"), "$browser": browser });
            properties["$process_person_profile"] = (id < 7).into();
            if let Some(source) = source {
                properties["utm_source"] = source.into();
            }
            sent.push(json!({ "event": event, "distinct_id": format!("u{id}"), "timestamp": at.to_string(), "properties": properties }));
            let mut other = sent.last().unwrap().clone();
            other["properties"]["$pathname"] = "/theirs".into();
            theirs.push(other);
        }
        let person = MERGES.iter().fold(id, |id, (from, into)| if id == *from { *into } else { id });
        visits.push(Visit { person, browser, source, events });
    }
    // Sessions arrive by the times of their events, as they would.
    sent.sort_by_key(|event| event["timestamp"].as_str().unwrap().to_owned());
    let (_, _, key) = desk.app.stranger().await;
    desk.send_to(&key, &theirs.into()).await;
    desk.send(&sent.into()).await;
    let merges: Vec<Value> = MERGES
        .iter()
        .map(|(from, into)| {
            json!({ "event": "$merge_dangerously", "distinct_id": format!("u{into}"),
            "timestamp": "2026-10-30T00:00:00Z", "properties": { "alias": format!("u{from}") } })
        })
        .collect();
    desk.send(&merges.into()).await;
    visits
}

/// Days from the first one on, the last one too.
#[derive(Clone, Copy)]
struct Days(i64, i64);

impl Days {
    fn hold(self, at: Timestamp) -> bool {
        let day = (at.as_second() - first().as_second()).div_euclid(86_400);
        (self.0..=self.1).contains(&day)
    }

    fn range(self) -> Value {
        let day = |day: i64| (first() + (day * 24).hours()).to_string()[..10].to_owned();
        json!({ "date_from": day(self.0), "date_to": day(self.1) })
    }
}

async fn utc(desk: &Desk) {
    desk.change_project(&json!({ "timezone": "UTC", "path_cleaning_filters": [{ "regex": "/\\d+", "alias": "/<id>" }, { "regex": "<id>/edit$", "alias": "<id>" }] })).await;
}

fn cleaned(path: &str) -> &str {
    if path.starts_with("/item/") { "/item/<id>" } else { path }
}

fn mean(of: impl Iterator<Item = f64>) -> Option<f64> {
    let all: Vec<f64> = of.collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn assert_near(found: &Value, expected: Option<f64>, what: &str) {
    let near = match (found.as_f64(), expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        (found, expected) => found == expected,
    };
    assert!(near, "{what}: {found} is not {expected:?}");
}

#[tokio::test]
async fn an_overview_is_as_a_naive_reading_counts_it() {
    let desk = Desk::start().await;
    utc(&desk).await;
    let visits = send(&desk).await;
    let (current, previous) = (Days(6, 10), Days(1, 5));
    let numbers = |stretch: Days, goal: Option<&str>| {
        let counts = |seen: &Seen| is_view(seen) || Some(seen.event) == goal;
        let inside = |seen: &Seen| counts(seen) && (current.hold(seen.at) || previous.hold(seen.at));
        let found: Vec<(&Visit, Vec<&Seen>)> = visits
            .iter()
            .map(|visit| (visit, visit.events.iter().filter(|seen| inside(seen)).collect::<Vec<_>>()))
            .filter(|(visit, events)| !events.is_empty() && stretch.hold(visit.start()))
            .collect();
        let people: BTreeSet<u64> = found.iter().map(|(visit, _)| visit.person).collect();
        let people = people.len() as f64;
        if let Some(goal) = goal {
            let reached = |events: &[&Seen]| events.iter().filter(|seen| seen.event == goal).count();
            let total: usize = found.iter().map(|(_, events)| reached(events)).sum();
            let who: BTreeSet<u64> =
                found.iter().filter(|(_, events)| reached(events) > 0).map(|(visit, _)| visit.person).collect();
            return vec![
                Some(people),
                Some(total as f64),
                Some(who.len() as f64),
                Some(100.0 * who.len() as f64 / people),
            ];
        }
        let views: usize = found.iter().map(|(_, events)| events.len()).sum();
        let bounces = found.iter().filter_map(|(visit, _)| visit.is_bounce()).map(|is| f64::from(u8::from(is)) * 100.0);
        vec![
            Some(people),
            Some(views as f64),
            Some(found.len() as f64),
            mean(found.iter().map(|(visit, _)| visit.seconds() as f64)),
            mean(bounces),
        ]
    };
    for goal in [None, Some("buy")] {
        let mut query =
            json!({ "kind": "WebOverviewQuery", "dateRange": current.range(), "compareFilter": { "compare": true } });
        if let Some(goal) = goal {
            query["conversionGoal"] = json!({ "customEventName": goal });
        }
        let answer = desk.answer(query).await;
        let (now, before) = (numbers(current, goal), numbers(previous, goal));
        assert!(now[2] > Some(1.0) && before[2] > Some(1.0), "nobody was there, so this proves nothing");
        for (at, tile) in answer["results"].as_array().unwrap().iter().enumerate() {
            assert_near(&tile["value"], now[at], &tile.to_string());
            assert_near(&tile["previous"], before[at], &tile.to_string());
        }
        assert_eq!(answer["results"].as_array().unwrap().len(), now.len());
        assert_eq!(answer["dateFrom"], "2026-10-07 00:00:00", "{answer}");
        assert_eq!(answer["dateTo"], "2026-10-11 23:59:59");
    }
    let alone = json!({ "kind": "WebOverviewQuery", "dateRange": current.range(), "compareFilter": { "compare": true, "compare_to": "-1w" } });
    let answer = desk.answer(alone).await;
    let earlier = visits.iter().filter(|visit| {
        let inside = |seen: &&Seen| is_view(seen) && (Days(-1, 3).hold(seen.at) || current.hold(seen.at));
        Days(-1, 3).hold(visit.start()) && visit.events.iter().any(|seen| inside(&seen))
    });
    assert_eq!(answer["results"][2]["previous"], earlier.count());
}

#[tokio::test]
async fn days_are_compared_with_those_of_the_same_weekday() {
    let desk = Desk::start().await;
    utc(&desk).await;
    send(&desk).await;
    desk.action("Bought", json!([{ "event": "buy" }])).await;
    for kind in ["WebOverviewQuery", "WebStatsTableQuery", "WebGoalsQuery"] {
        let ask = async |compared: Value| {
            let query = json!({ "kind": kind, "breakdownBy": "Page", "dateRange": Days(7, 11).range(), "compareFilter": compared });
            desk.answer(query).await["results"].clone()
        };
        // Of five days: a week before they start none of them is among them.
        let week = ask(json!({ "compare": true, "compare_to": "-1w" })).await;
        let just_before = ask(json!({ "compare": true })).await;
        assert_ne!(week, just_before, "{kind} proves nothing");
        assert_eq!(ask(json!({ "compare": true, "match_weekday": true })).await, week, "{kind}");
        assert_eq!(ask(json!({ "compare": true, "compare_to": "-5d", "match_weekday": true })).await, week, "{kind}");
        assert_eq!(ask(json!({ "match_weekday": true })).await, ask(json!({})).await, "{kind}");
    }
}

#[tokio::test]
async fn goals_are_as_a_naive_reading_counts_them() {
    let desk = Desk::start().await;
    utc(&desk).await;
    let query = |more: Value| {
        let mut query = json!({ "kind": "WebGoalsQuery", "dateRange": Days(6, 10).range() });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        query
    };
    assert_eq!(desk.answer(query(json!({}))).await["results"], json!([]), "without actions there are no goals");
    let visits = send(&desk).await;
    desk.action("Bought", json!([{ "event": "buy" }])).await;
    desk.app.clock.advance(std::time::Duration::from_secs(1));
    let item = json!([{ "event": "$pageview", "url": "/item/", "url_matching": "contains" }]);
    desk.action("Saw an item", item).await;
    type Goal = fn(&Seen) -> bool;
    let goals: [(&str, Goal); 2] = [
        ("Saw an item", |seen| seen.event == "$pageview" && seen.path.starts_with("/item/")),
        ("Bought", |seen| seen.event == "buy"),
    ];
    let (current, previous) = (Days(6, 10), Days(1, 5));
    let counted = |stretch: Days, goal: Goal, stretches: &[Days]| {
        let inside = |seen: &&Seen| {
            (is_view(seen) || goals.iter().any(|(_, goal)| goal(seen)))
                && stretches.iter().any(|days| days.hold(seen.at))
        };
        let found =
            visits.iter().map(|visit| (visit, visit.events.iter().filter(|seen| inside(seen)).collect::<Vec<_>>()));
        let found: Vec<_> = found.filter(|(visit, events)| !events.is_empty() && stretch.hold(visit.start())).collect();
        let people: BTreeSet<u64> = found.iter().map(|(visit, _)| visit.person).collect();
        let times = |events: &[&Seen]| events.iter().filter(|seen| goal(seen)).count();
        let total: usize = found.iter().map(|(_, events)| times(events)).sum();
        let who: BTreeSet<u64> =
            found.iter().filter(|(_, events)| times(events) > 0).map(|(visit, _)| visit.person).collect();
        [who.len() as f64, total as f64, who.len() as f64 / people.len() as f64]
    };
    let compared = desk.answer(query(json!({ "compareFilter": { "compare": true } }))).await;
    let alone = desk.answer(query(json!({}))).await;
    for (at, (name, goal)) in goals.iter().enumerate() {
        let row = &compared["results"][at];
        assert_eq!(row[0], *name, "{compared}");
        let (now, before) =
            (counted(current, *goal, &[current, previous]), counted(previous, *goal, &[current, previous]));
        assert!(now[0] > 1.0 && now[1] > now[0], "{name} proves nothing: {now:?}");
        for cell in 0..3 {
            assert_near(&row[cell + 1][0], Some(now[cell]), &row.to_string());
            assert_near(&row[cell + 1][1], Some(before[cell]), &row.to_string());
            let alone = &alone["results"][at][cell + 1];
            assert_near(&alone[0], Some(counted(current, *goal, &[current])[cell]), &alone.to_string());
            assert_eq!(alone[1], Value::Null);
        }
    }
    let columns = ["action_name", "converting_users", "total_conversions", "conversion_rate"];
    assert_eq!(compared["columns"], json!(columns.map(|name| format!("context.columns.{name}"))));
    let names = async |more: Value| {
        let answer = desk.answer(query(more)).await;
        let names = answer["results"].as_array().unwrap().iter().map(|row| row[0].clone()).collect::<Vec<_>>();
        (names, answer["hasMore"].clone())
    };
    let up = names(json!({ "orderBy": ["TotalConversions", "ASC"] })).await.0;
    let mut down = names(json!({ "orderBy": ["TotalConversions", "DESC"] })).await.0;
    down.reverse();
    assert_eq!(up, down);
    assert_eq!(names(json!({ "limit": 1 })).await, (vec![json!("Saw an item")], json!(true)));
    for (more, attr) in [
        (json!({ "limit": 0 }), "limit"),
        (json!({ "orderBy": ["Views", "DESC"] }), "orderBy[0]"),
        (json!({ "orderBy": ["ConversionRate"] }), "orderBy"),
        (json!({ "conversionGoal": { "customEventName": "buy" } }), "conversionGoal"),
        (json!({ "includeRevenue": true }), "includeRevenue"),
    ] {
        let reply = desk.reply(query(more)).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["attr"]), (400, &json!(attr)), "{}", reply.text());
    }
}

/// Visitors and views by a value of each view.
fn by_value<'a>(
    visits: &'a [Visit],
    days: Days,
    value: impl Fn(&'a Visit, &'a Seen) -> Option<&'a str>,
) -> BTreeMap<Option<&'a str>, (BTreeSet<u64>, usize)> {
    let mut found: BTreeMap<Option<&str>, (BTreeSet<u64>, usize)> = BTreeMap::new();
    for visit in visits {
        for seen in visit.events.iter().filter(|seen| is_view(seen) && days.hold(seen.at)) {
            let (people, views) = found.entry(value(visit, seen)).or_default();
            people.insert(visit.person);
            *views += 1;
        }
    }
    found
}

#[tokio::test]
async fn tables_are_as_a_naive_reading_counts_them() {
    let desk = Desk::start().await;
    utc(&desk).await;
    let visits = send(&desk).await;
    let days = Days(2, 9);
    let entry = |visit: &Visit| visit.views().first().map(|seen| seen.path);
    let exit = |visit: &Visit| visit.views().last().map(|seen| seen.path);
    for (breakdown, cleans, expected) in [
        ("Page", false, by_value(&visits, days, |_, seen| Some(seen.path))),
        ("Page", true, by_value(&visits, days, |_, seen| Some(cleaned(seen.path)))),
        ("InitialPage", true, by_value(&visits, days, |visit, _| entry(visit).map(cleaned))),
        ("ExitPage", false, by_value(&visits, days, |visit, _| exit(visit))),
        ("Browser", true, by_value(&visits, days, |visit, _| Some(visit.browser))),
        ("InitialUTMSource", false, by_value(&visits, days, |visit, _| visit.source)),
        ("OS", false, by_value(&visits, days, |_, _| None)),
    ] {
        let answer = desk
            .answer(json!({ "kind": "WebStatsTableQuery", "breakdownBy": breakdown, "dateRange": days.range(),
                "doPathCleaning": cleans }))
            .await;
        // A value that is missing has a row among campaigns alone.
        let mut expected = expected;
        expected.retain(|value, _| value.is_some() || breakdown == "InitialUTMSource");
        let all: usize = expected.values().map(|(people, _)| people.len()).sum();
        let mut rows: Vec<_> = expected.iter().collect();
        // Nulls come last.
        rows.sort_by_key(|(value, (people, views))| {
            (std::cmp::Reverse((people.len(), *views)), value.is_none(), **value)
        });
        let expected: Vec<_> = rows
            .iter()
            .map(|(value, (people, views))| {
                json!([value, [people.len(), null], [views, null], people.len() as f64 / all as f64, ""])
            })
            .collect();
        assert_eq!(plain(&answer["results"]), plain(&json!(expected)), "{breakdown}");
    }
}

/// Numbers with and without a point are the same here.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => format!("{:.9}", number.as_f64().unwrap()).into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn pages_have_the_bounces_of_those_who_entered_there() {
    let desk = Desk::start().await;
    utc(&desk).await;
    let visits = send(&desk).await;
    let days = Days(2, 9);
    let began: Vec<Visit> = visits.into_iter().filter(|visit| days.hold(visit.start())).collect();
    let expected = by_value(&began, days, |_, seen| Some(cleaned(seen.path)));
    let bounces = |path: &str| {
        mean(began.iter().filter(|visit| visit.views().iter().any(|seen| days.hold(seen.at))).filter_map(|visit| {
            let entry = cleaned(visit.views().first()?.path);
            visit.is_bounce().filter(|_| entry == path).map(|is| f64::from(u8::from(is)))
        }))
    };
    let answer = desk
        .answer(json!({ "kind": "WebStatsTableQuery", "breakdownBy": "Page", "dateRange": days.range(),
            "doPathCleaning": true, "includeBounceRate": true }))
        .await;
    let rows = answer["results"].as_array().unwrap();
    assert_eq!(rows.len(), expected.len());
    for row in rows {
        let path = row[0].as_str().unwrap();
        let (people, views) = &expected[&Some(path)];
        assert_eq!((&row[1][0], &row[2][0]), (&json!(people.len()), &json!(views)), "{row}");
        assert_near(&row[3][0], bounces(path), &row.to_string());
    }
}

#[tokio::test]
async fn statements_run_and_are_as_they_were() {
    let desk = Desk::start().await;
    utc(&desk).await;
    desk.action("Bought", json!([{ "event": "buy" }])).await;
    desk.action("Read", json!([{ "event": "$pageview", "url": "/about", "url_matching": "contains" }])).await;
    let dates = json!({ "date_from": "2026-10-05", "date_to": "2026-10-11" });
    let table = |by: &str, more: Value| {
        let mut query = json!({ "kind": "WebStatsTableQuery", "breakdownBy": by, "dateRange": dates });
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        query
    };
    let compared = json!({ "compare": true });
    let whole = json!({ "includeBounceRate": true, "includeScrollDepth": true, "includeAvgTimeOnPage": true,
        "compareFilter": compared, "doPathCleaning": true });
    for (name, query) in [
        ("web_overview", json!({ "kind": "WebOverviewQuery", "dateRange": dates, "compareFilter": compared })),
        ("web_pages", table("Page", json!({}))),
        ("web_pages_whole", table("Page", whole)),
        ("web_entry_pages", table("InitialPage", json!({ "includeBounceRate": true, "doPathCleaning": true }))),
        ("web_goal", table("City", json!({ "conversionGoal": { "customEventName": "buy" } }))),
        ("web_languages", table("Language", json!({}))),
        ("web_goals", json!({ "kind": "WebGoalsQuery", "dateRange": dates, "compareFilter": compared })),
    ] {
        let answer = desk.answer(query).await;
        let statement = answer["clickhouse"].as_str().unwrap();
        // The project's number is its own in each run; the moments follow from the dates.
        let text = statement.split("\n-- p0").next().unwrap();
        insta::assert_snapshot!(name, text);
    }
}
