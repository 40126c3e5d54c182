//! `PathsQuery` beside a naive reading of the same events.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::Desk;
use super::random::{Happened, World};

/// A path's seconds and items.
type Steps = [(i64, String)];

/// What is asked, and the same for the naive reading.
struct Case {
    filter: Value,
    item: fn(&Happened) -> Option<String>,
    start: Option<&'static str>,
    end: Option<&'static str>,
    steps: usize,
}

fn everything(event: &Happened) -> Option<String> {
    Some(if event.event == "$pageview" { event.page.clone() } else { event.event.clone() })
}

fn pages(event: &Happened) -> Option<String> {
    (event.event == "$pageview").then(|| event.page.clone())
}

impl Case {
    fn of(filter: Value, item: fn(&Happened) -> Option<String>) -> Self {
        Self { filter, item, start: None, end: None, steps: 5 }
    }

    fn query(&self) -> Value {
        let mut filter = self.filter.clone();
        filter["stepLimit"] = self.steps.into();
        filter["startPoint"] = self.start.into();
        filter["endPoint"] = self.end.into();
        json!({ "kind": "PathsQuery", "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-02" }, "pathsFilter": filter })
    }

    /// Each sitting's path with whose it is: seconds and items.
    fn paths(&self, world: &World) -> Vec<(Happened, Vec<(i64, String)>)> {
        let people: BTreeSet<u64> = world.events.iter().map(|event| event.person).collect();
        let mut found = Vec::new();
        for person in people {
            let theirs: Vec<_> = world.events.iter().filter(|event| event.person == person).collect();
            let mut sittings: Vec<Vec<(i64, String)>> = Vec::new();
            let mut last = i64::MIN;
            for event in &theirs {
                let Some(item) = (self.item)(event) else { continue };
                let at = event.at.as_second();
                if at.saturating_sub(last) >= 1_800 {
                    sittings.push(Vec::new());
                }
                last = at;
                let sitting = sittings.last_mut().unwrap();
                // What is repeated counts once, when it was last.
                if sitting.last().is_some_and(|(_, before)| *before == item) {
                    sitting.pop();
                }
                sitting.push((at, item));
            }
            found.extend(sittings.into_iter().filter_map(|path| self.cut(path)).map(|path| (theirs[0].clone(), path)));
        }
        found
    }

    fn cut(&self, mut path: Vec<(i64, String)>) -> Option<Vec<(i64, String)>> {
        let place = |path: &[(i64, String)], name: &str| path.iter().position(|(_, item)| item == name);
        if let Some(start) = self.start {
            path.drain(..place(&path, start)?);
        }
        if let Some(end) = self.end {
            path.truncate(place(&path, end)? + 1);
        }
        let extra = path.len().saturating_sub(self.steps);
        match (self.start, self.end) {
            _ if extra == 0 => {}
            (Some(_), Some(_)) => {
                let half = self.steps / 2;
                let tail = path.split_off(path.len() - half);
                path.truncate(half + 1);
                path[half].1 = "...".to_owned();
                path.extend(tail);
            }
            (None, Some(_)) => drop(path.drain(..extra)),
            _ => path.truncate(self.steps),
        }
        Some(path)
    }

    /// Edges with how often, and seconds in all; most often first.
    fn edges(&self, world: &World) -> Vec<(String, String, u64, i64)> {
        let mut edges: BTreeMap<(String, String), (u64, i64)> = BTreeMap::new();
        for (_, path) in self.paths(world) {
            for (step, pair) in path.windows(2).enumerate() {
                let key = (format!("{}_{}", step + 1, pair[0].1), format!("{}_{}", step + 2, pair[1].1));
                let edge = edges.entry(key).or_default();
                *edge = (edge.0 + 1, edge.1 + pair[1].0 - pair[0].0);
            }
        }
        let number = |name: &str| self.filter.get(name).and_then(Value::as_u64);
        let mut edges: Vec<_> = edges.into_iter().map(|((from, to), (n, seconds))| (from, to, n, seconds)).collect();
        edges.retain(|(.., n, _)| *n >= number("minEdgeWeight").unwrap_or(0));
        edges.retain(|(.., n, _)| *n <= number("maxEdgeWeight").unwrap_or(u64::MAX));
        edges.sort_by_key(|(from, to, n, _)| (std::cmp::Reverse(*n), from.clone(), to.clone()));
        edges.truncate(usize::try_from(number("edgeLimit").unwrap_or(50)).unwrap());
        // What no first step leads to goes, until nothing does.
        loop {
            let before = edges.len();
            let targets: BTreeSet<String> = edges.iter().map(|edge| edge.1.clone()).collect();
            edges.retain(|(from, ..)| from.starts_with("1_") || targets.contains(from));
            if edges.len() == before {
                return edges;
            }
        }
    }
}

#[tokio::test]
async fn every_edge_is_as_a_naive_reading_counts_it() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 3, 2).await;
    let cases = [
        Case::of(json!({}), everything),
        Case { steps: 3, ..Case::of(json!({}), everything) },
        Case { steps: 20, ..Case::of(json!({ "edgeLimit": 500 }), everything) },
        Case::of(json!({ "edgeLimit": 7 }), everything),
        Case::of(json!({ "minEdgeWeight": 3, "maxEdgeWeight": 6 }), everything),
        Case::of(json!({ "includeEventTypes": ["$pageview"] }), pages),
        Case::of(json!({ "includeEventTypes": ["custom_event"] }), |e| pages(e).is_none().then(|| e.event.clone())),
        Case::of(json!({ "includeEventTypes": ["$pageview", "$screen", "custom_event"] }), everything),
        Case::of(
            json!({ "includeEventTypes": ["hogql"], "pathsHogQLExpression": "event || '-' || properties.plan" }),
            |e| Some(format!("{}-{}", e.event, e.plan)),
        ),
        Case::of(json!({ "excludeEvents": ["visit", "/1"] }), |e| {
            everything(e).filter(|item| item != "visit" && item != "/1")
        }),
        Case::of(json!({ "pathGroupings": ["/*", "b*"] }), |e| {
            everything(e).map(|item| {
                if item.starts_with('/') {
                    "/*".into()
                } else if item == "buy" {
                    "b*".into()
                } else {
                    item
                }
            })
        }),
        Case::of(
            json!({ "localPathCleaningFilters": [{ "regex": "^/[12]$", "alias": "/some" }, { "regex": "some", "alias": "any" }],
                "pathGroupings": ["/a*"], "excludeEvents": ["/a*"] }),
            |e| everything(e).filter(|item| item != "/1" && item != "/2"),
        ),
        Case { start: Some("visit"), ..Case::of(json!({}), everything) },
        Case { end: Some("buy"), ..Case::of(json!({}), everything) },
        Case { end: Some("buy"), steps: 2, ..Case::of(json!({}), everything) },
        Case { start: Some("visit"), end: Some("buy"), steps: 4, ..Case::of(json!({ "edgeLimit": 500 }), everything) },
        Case { start: Some("visit"), end: Some("/2"), steps: 3, ..Case::of(json!({ "edgeLimit": 500 }), everything) },
    ];
    let mut has_gap = false;
    for case in cases {
        let expected = case.edges(&world);
        let answer = desk.answer(case.query()).await;
        let found = answer["results"].as_array().unwrap();
        let named = |edge: &Value| {
            let text = |key: &str| edge[key].as_str().unwrap().to_owned();
            (text("source"), text("target"), edge["value"].as_u64().unwrap())
        };
        let wanted: Vec<_> = expected.iter().map(|(from, to, n, _)| (from.clone(), to.clone(), *n)).collect();
        assert_eq!(found.iter().map(named).collect::<Vec<_>>(), wanted, "{}", case.query());
        assert!(expected.len() > 2, "{} finds hardly anything, so it proves nothing", case.query());
        for (edge, (.., n, seconds)) in found.iter().zip(&expected) {
            let mean = *seconds as f64 * 1_000.0 / *n as f64;
            assert!((edge["average_conversion_time"].as_f64().unwrap() - mean).abs() < 1e-6, "{edge} {mean}");
        }
        has_gap |= expected.iter().any(|(from, ..)| from.ends_with("_..."));
    }
    assert!(has_gap, "no path was cut in its middle");
}

#[tokio::test]
async fn people_are_listed_by_where_they_went_and_where_they_stopped() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 4, 2).await;
    let case = Case::of(json!({}), everything);
    let paths: Vec<_> = case.paths(&world).into_iter().filter(|(who, _)| who.has_profile()).collect();
    let key = |path: &[(i64, String)], at: usize| format!("{}_{}", at + 1, path[at].1);
    let counted = |fits: &dyn Fn(&Steps) -> bool| {
        paths.iter().filter(|(_, path)| fits(path)).map(|(who, _)| who.person).collect::<BTreeSet<_>>().len()
    };
    let has_edge = |path: &[(i64, String)], from: Option<&str>, to: Option<&str>| {
        (0..path.len()).any(|at| {
            let comes_from = |from: &str| at > 0 && key(path, at - 1) == from;
            from.is_none_or(comes_from) && to.is_none_or(|to| key(path, at) == to)
        })
    };
    let mut found = 0;
    for (keys, expected) in [
        (json!({}), counted(&|_| true)),
        (json!({ "pathEndKey": "1_visit" }), counted(&|path| has_edge(path, None, Some("1_visit")))),
        (json!({ "pathEndKey": "2_visit" }), counted(&|path| has_edge(path, None, Some("2_visit")))),
        (json!({ "pathStartKey": "1_visit" }), counted(&|path| has_edge(path, Some("1_visit"), None))),
        (
            json!({ "pathStartKey": "1_visit", "pathEndKey": "2_buy" }),
            counted(&|path| has_edge(path, Some("1_visit"), Some("2_buy"))),
        ),
        (json!({ "pathStartKey": "1_visit", "pathEndKey": "3_buy" }), 0),
        (json!({ "pathDropoffKey": "2_buy" }), counted(&|path| path.len() == 2 && path[1].1 == "buy")),
    ] {
        let mut source = case.query();
        keys.as_object().unwrap().iter().for_each(|(name, key)| source["pathsFilter"][name] = key.clone());
        let list = json!({ "kind": "ActorsQuery", "select": ["id"], "source": { "kind": "InsightActorsQuery", "source": source } });
        let rows = desk.answer(list).await["results"].as_array().unwrap().len();
        assert_eq!(rows, expected, "{keys}");
        found += rows;
    }
    assert!(found > 20, "{found}: hardly anybody is found, so it proves nothing");
}

#[tokio::test]
async fn pages_are_told_apart_as_people_do_and_the_projects_rules_count_if_asked() {
    let desk = Desk::start().await;
    let at = |minute: u32, event: &str, properties: Value| json!({ "event": event, "distinct_id": "ada", "timestamp": format!("2026-10-01T10:{minute:02}:00Z"), "properties": properties });
    desk.send(&json!([
        at(0, "$pageview", json!({ "$current_url": "/" })),
        at(1, "$pageview", json!({ "$current_url": "/a/" })),
        at(2, "$pageview", json!({ "$current_url": "/a" })),
        at(3, "$pageview", json!({})),
        at(4, "$screen", json!({ "$screen_name": "Home/" })),
        at(40, "$pageview", json!({ "$current_url": "/later" })),
    ]))
    .await;
    let ask = async |filter: Value| {
        let query = json!({ "kind": "PathsQuery", "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-01" },
            "pathsFilter": filter });
        let answer = desk.answer(query).await;
        let edges = answer["results"].as_array().unwrap().clone();
        let minutes = |edge: &Value| edge["average_conversion_time"].as_f64().unwrap() / 60_000.0;
        edges
            .iter()
            .map(|edge| {
                format!("{} {} {}", edge["source"].as_str().unwrap(), edge["target"].as_str().unwrap(), minutes(edge))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(json!({})).await, ["1_/ 2_/a 2", "2_/a 3_Home/ 2"]);
    assert_eq!(ask(json!({ "startPoint": "/a/" })).await, ["1_/a 2_Home/ 2"]);
    let path = format!("/api/projects/{}/", desk.owner.project);
    let rules = json!({ "path_cleaning_filters": [
        { "regex": "Home", "alias": "<home>" }, { "regex": "^/a$", "alias": "/<letter>" } ] });
    let request = desk.app.request(Method::PATCH, &path).header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", desk.owner.personal_key));
    desk.app.send(request.body(Full::from(rules.to_string())).unwrap()).await.assert_ok();
    assert_eq!(ask(json!({})).await, ["1_/ 2_/a 2", "2_/a 3_Home/ 2"]);
    assert_eq!(ask(json!({ "pathReplacements": true })).await, ["1_/ 2_/<letter> 2", "2_/<letter> 3_<home>/ 2"]);
    let reversed = json!({ "kind": "PathsQuery", "dateRange": { "date_from": "2026-10-02", "date_to": "2026-10-01" } });
    assert_eq!(desk.answer(reversed).await["results"], json!([]));
}

/// The first step's time and the second's of who converts within some seconds; who does not: only the first's.
fn steps_of(theirs: &[&Happened], window: i64) -> Option<(i64, Option<i64>)> {
    let visits = || theirs.iter().filter(|event| event.event == "visit").map(|event| event.at.as_second());
    for buy in theirs.iter().filter(|event| event.event == "buy").map(|event| event.at.as_second()) {
        if let Some(visit) = visits().rfind(|visit| *visit < buy && buy - visit <= window) {
            return Some((visit, Some(buy)));
        }
    }
    visits().next().map(|visit| (visit, None))
}

#[tokio::test]
async fn paths_around_a_funnel_are_those_of_its_people_at_that_time() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 9, 2).await;
    let window = 12 * 60;
    let people: BTreeSet<u64> = world.events.iter().map(|event| event.person).collect();
    let theirs = |person| world.events.iter().filter(|event| event.person == person).collect::<Vec<_>>();
    let at_step: BTreeMap<u64, (i64, Option<i64>)> =
        people.into_iter().filter_map(|person| Some((person, steps_of(&theirs(person), window)?))).collect();
    let converted = at_step.values().filter(|(_, second)| second.is_some()).count();
    assert!(converted > 2 && converted + 2 < at_step.len(), "{at_step:?} proves nothing");
    let funnel = json!({ "kind": "FunnelsQuery", "series": [{ "event": "visit" }, { "event": "buy" }],
        "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-02" },
        "breakdownFilter": { "breakdown": "plan" },
        "funnelsFilter": { "funnelWindowInterval": window, "funnelWindowIntervalUnit": "second" } });
    let case = Case::of(json!({ "edgeLimit": 500 }), everything);
    for (kind, step) in [
        (Some("funnel_path_after_step"), 1),
        (Some("funnel_path_after_step"), 2),
        (Some("funnel_path_after_step"), -2),
        (Some("funnel_path_before_step"), 2),
        (Some("funnel_path_before_step"), -2),
        (Some("funnel_path_between_steps"), 2),
        (None, -2),
    ] {
        let is_inside = |event: &&Happened| {
            let Some((first, second)) = at_step.get(&event.person) else { return false };
            let (is_there, time) = match step {
                1 => (true, *first),
                2 => (second.is_some(), second.unwrap_or(0)),
                _ => (second.is_none(), *first),
            };
            let at = event.at.as_second();
            is_there
                && match kind {
                    Some("funnel_path_after_step") => at >= time,
                    Some("funnel_path_before_step") => at <= time + if step < 0 { window } else { 0 },
                    Some(_) => at >= *first && at <= time,
                    None => true,
                }
        };
        let inside = World { events: world.events.iter().filter(is_inside).cloned().collect() };
        let expected = case.edges(&inside);
        let mut query = case.query();
        query["funnelPathsFilter"] = json!({ "funnelPathType": kind, "funnelStep": step, "funnelSource": funnel });
        let answer = desk.answer(query.clone()).await;
        let named = |edge: &Value| {
            let text = |key: &str| edge[key].as_str().unwrap().to_owned();
            (text("source"), text("target"), edge["value"].as_u64().unwrap())
        };
        let found: Vec<_> = answer["results"].as_array().unwrap().iter().map(named).collect();
        let wanted: Vec<_> = expected.iter().map(|(from, to, n, _)| (from.clone(), to.clone(), *n)).collect();
        assert_eq!(found, wanted, "{kind:?} {step}");
        assert!(!wanted.is_empty(), "{kind:?} {step} finds nothing, so it proves nothing");

        let listed: BTreeSet<u64> =
            case.paths(&inside).into_iter().filter(|(who, _)| who.has_profile()).map(|(who, _)| who.person).collect();
        let list = json!({ "kind": "ActorsQuery", "select": ["id"], "source": { "kind": "InsightActorsQuery", "source": query } });
        assert_eq!(desk.answer(list).await["results"].as_array().unwrap().len(), listed.len(), "{kind:?} {step}");
    }
}

#[tokio::test]
async fn of_more_edges_than_are_named_apart_the_first_by_name_are_shown() {
    let desk = Desk::start().await;
    // A hundred and forty people see nine pages each, and no page is seen twice.
    let page = |person: u32, at: u32| {
        json!({ "event": "$pageview", "distinct_id": format!("p{person}"), "timestamp": format!("2026-10-01T10:00:0{at}Z"),
            "properties": { "$current_url": format!("/{}", (person * 9 + at) * 7_919 % 1_260) } })
    };
    let events: Vec<_> = (0..140).flat_map(|person| (0..9).map(move |at| page(person, at))).collect();
    desk.send(&json!(events)).await;
    let ask = async |limit: u32| {
        let query = json!({ "kind": "PathsQuery", "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-01" },
            "pathsFilter": { "stepLimit": 9, "edgeLimit": limit } });
        let answer = desk.answer(query).await;
        let sources: Vec<_> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edge| edge["source"].as_str().unwrap().to_owned())
            .collect();
        (sources, answer["clickhouse"].as_str().unwrap().to_owned())
    };
    let (all, said) = ask(1_200).await;
    assert!(all.len() == 140 * 8 && all.is_sorted() && said.contains("LIMIT 1 BY hash"), "{}", all.len());
    let (first, said) = ask(50).await;
    assert_eq!(first, all[..50]);
    insta::assert_snapshot!("paths_named_at_once", &said[said.find("SELECT concat").expect("it names")..]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    for (filter, attr) in [
        (json!({ "includeEventTypes": ["clicks"] }), "pathsFilter.includeEventTypes[0]"),
        (json!({ "includeEventTypes": ["hogql"] }), "pathsFilter.pathsHogQLExpression"),
        (json!({ "pathsHogQLExpression": "event ||" }), "pathsFilter.pathsHogQLExpression"),
        (json!({ "stepLimit": 1_000 }), "pathsFilter.stepLimit"),
        (json!({ "edgeLimit": -1 }), "pathsFilter.edgeLimit"),
        (json!({ "startPoint": 5 }), "pathsFilter.startPoint"),
        (json!({ "pathGroupings": [5] }), "pathsFilter.pathGroupings[0]"),
        (json!({ "localPathCleaningFilters": [{ "regex": "(" }] }), "query"),
    ] {
        let reply = desk.reply(json!({ "kind": "PathsQuery", "pathsFilter": filter })).await;
        assert_eq!(reply.status.as_u16(), 400, "{filter}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
    let source = json!({ "kind": "FunnelsQuery", "series": [{ "event": "a" }, { "event": "b" }] });
    let bare = json!({ "kind": "FunnelsQuery", "series": [{ "event": "a" }] });
    let by_group = json!({ "kind": "FunnelsQuery", "series": source["series"], "aggregation_group_type_index": 0 });
    for (around, attr) in [
        (json!({ "funnelPathType": "funnel_path_after_step" }), "funnelPathsFilter.funnelSource"),
        (json!({ "funnelPathType": "x", "funnelSource": source, "funnelStep": 1 }), "funnelPathsFilter.funnelPathType"),
        (json!({ "funnelSource": { "kind": "TrendsQuery" }, "funnelStep": 1 }), "funnelPathsFilter.funnelSource"),
        (json!({ "funnelSource": bare, "funnelStep": 1 }), "funnelPathsFilter.funnelSource.series"),
        (json!({ "funnelSource": by_group, "funnelStep": 1 }), "funnelPathsFilter.funnelSource"),
        (json!({ "funnelSource": source }), "funnelPathsFilter.funnelStep"),
        (json!({ "funnelSource": source, "funnelStep": 3 }), "funnelPathsFilter.funnelStep"),
        (
            json!({ "funnelPathType": "funnel_path_between_steps", "funnelSource": source, "funnelStep": -2 }),
            "funnelPathsFilter.funnelStep",
        ),
    ] {
        let reply = desk.reply(json!({ "kind": "PathsQuery", "funnelPathsFilter": around })).await;
        assert_eq!(reply.status.as_u16(), 400, "{around}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
}

#[tokio::test]
async fn statements_are_as_they_were() {
    let desk = Desk::start().await;
    let page = |at: u32, url: &str| json!({ "event": "$pageview", "distinct_id": "ada", "timestamp": format!("2026-10-01T10:0{at}:00Z"), "properties": { "$current_url": url } });
    desk.send(&json!([page(0, "/"), page(1, "/a")])).await;
    let plain = Case::of(json!({}), everything);
    let cleaned = json!({ "includeEventTypes": ["$pageview"], "excludeEvents": ["/o'clock"], "pathGroupings": ["/a/*"],
        "localPathCleaningFilters": [{ "regex": "[0-9]+", "alias": "<id>" }] });
    let cleaned = Case { start: Some("/"), end: Some("/a"), ..Case::of(cleaned, pages) };
    for (name, case) in [("paths", plain), ("paths_between", cleaned)] {
        let answer = desk.answer(case.query()).await;
        insta::assert_snapshot!(name, answer["clickhouse"].as_str().unwrap());
    }
    let mut around = Case::of(json!({}), everything).query();
    around["funnelPathsFilter"] = json!({ "funnelPathType": "funnel_path_before_step", "funnelStep": -2,
        "funnelSource": { "kind": "FunnelsQuery", "series": [{ "event": "visit" }, { "event": "buy" }] } });
    let answer = desk.answer(around).await;
    let statements = answer["clickhouse"].as_str().unwrap();
    assert!(statements.contains("SELECT … AS person"), "nobody is named in what is shown: {statements}");
    let at = statements.find("SELECT *\nFROM (\nSELECT edge.1").unwrap();
    insta::assert_snapshot!("paths_around", &statements[at..]);
}
