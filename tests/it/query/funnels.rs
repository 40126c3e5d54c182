//! `FunnelsQuery` beside a naive reading of the same events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Desk;
use super::random::World;

const DAY: i64 = 1_440;

fn asked(series: &[&str], filter: &Value) -> Value {
    let series: Vec<Value> = series.iter().map(|event| json!({ "event": event })).collect();
    json!({ "kind": "FunnelsQuery", "series": series, "funnelsFilter": filter,
        "dateRange": { "date_from": "2026-10-01", "date_to": "2026-10-20" } })
}

/// What each did, by the minute.
fn lives(world: &World) -> Vec<Vec<(i64, String)>> {
    let mut lives: BTreeMap<u64, Vec<(i64, String)>> = BTreeMap::new();
    for event in &world.events {
        lives.entry(event.person).or_default().push((event.at.as_second() / 60, event.event.clone()));
    }
    lives.into_values().collect()
}

/// How far somebody comes who begins at each of their events, with when they came that far; nothing if they do not begin.
fn ordered(life: &[(i64, String)], steps: &[&str], window: i64) -> Vec<(i64, usize)> {
    let begins = life.iter().enumerate().filter(|(_, (_, event))| event == steps[0]);
    let follow = |(at, (start, _)): (usize, &(i64, String))| {
        let rest = life[at + 1..].iter().take_while(|(minute, _)| minute - start <= window);
        let reached = rest
            .fold(1, |reached, (_, event)| reached + usize::from(steps.get(reached).is_some_and(|step| step == event)));
        (*start, reached)
    };
    begins.map(follow).collect()
}

/// How far somebody comes with nothing in between but the same step again.
fn strict(life: &[(i64, String)], steps: &[&str], window: i64) -> usize {
    let from = |at: usize| {
        let (start, mut reached) = (life[at].0, 0);
        for (_, event) in life[at..].iter().take_while(|(minute, _)| minute - start <= window) {
            if steps.get(reached).is_some_and(|step| step == event) {
                reached += 1;
            } else if reached == 0 || steps[reached - 1] != event {
                break;
            }
        }
        reached
    };
    (0..life.len()).map(from).max().unwrap_or(0)
}

/// The most steps within one window. One in which something happens that must not, before all are done, does not count.
fn unordered(life: &[(i64, String)], steps: &[&str], window: i64, never: Option<&str>) -> usize {
    let from = |at: usize| {
        let mut done = std::collections::BTreeSet::new();
        for (_, event) in life[at..].iter().take_while(|(minute, _)| minute - life[at].0 <= window) {
            if never == Some(event.as_str()) {
                return if done.len() == steps.len() { done.len() } else { 0 };
            }
            if steps.contains(&event.as_str()) {
                done.insert(event.clone());
            }
        }
        done.len()
    };
    (0..life.len()).map(from).max().unwrap_or(0)
}

/// Two steps and what must not happen between them: how far somebody came; 0 if they are left out.
fn excluding(life: &[(i64, String)], steps: [&str; 2], window: i64, never: &str) -> usize {
    let mut best = (0, false);
    for (at, (start, _)) in life.iter().enumerate().filter(|(_, (_, event))| event == steps[0]) {
        let mut is_excluded = false;
        let mut reached = 1;
        for (_, event) in life[at + 1..].iter().take_while(|(minute, _)| minute - start <= window) {
            if event == steps[1] {
                reached = 2;
                break;
            }
            is_excluded |= event == never;
        }
        best = best.max((reached, !is_excluded));
    }
    if best.1 { best.0 } else { 0 }
}

/// How many came to each step.
fn counted(reached: impl Iterator<Item = usize>, steps: usize) -> Vec<u64> {
    let mut counts = vec![0; steps];
    reached.for_each(|reached| counts[..reached].iter_mut().for_each(|count| *count += 1));
    counts
}

fn counts(answer: &Value) -> Vec<u64> {
    answer["results"].as_array().unwrap().iter().map(|step| step["count"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_number_is_as_a_naive_reading_counts_it() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 23, 14).await;
    let lives = lives(&world);
    let three = ["visit", "buy", "$pageview"];
    for (minutes, amount, unit) in [(40, 40, "minute"), (120, 2, "hour"), (DAY, 1, "day"), (14 * DAY, 2, "week")] {
        let window = json!({ "funnelWindowInterval": amount, "funnelWindowIntervalUnit": unit });
        let with = |more: Value| {
            let mut filter = window.clone();
            more.as_object().unwrap().iter().for_each(|(key, value)| filter[key] = value.clone());
            filter
        };
        let furthest = |life: &Vec<(i64, String)>, steps: &[&str]| {
            ordered(life, steps, minutes).iter().map(|(_, reached)| *reached).max().unwrap_or(0)
        };
        for steps in [&three[..], &["visit", "visit", "buy"], &["buy", "visit", "buy", "visit"]] {
            let answer = desk.answer(asked(steps, &with(json!({})))).await;
            let expected = counted(lives.iter().map(|life| furthest(life, steps)), steps.len());
            assert_eq!(counts(&answer), expected, "{steps:?} {minutes}");
            let answer = desk.answer(asked(steps, &with(json!({ "funnelOrderType": "strict" })))).await;
            let expected = counted(lives.iter().map(|life| strict(life, steps, minutes)), steps.len());
            assert_eq!(counts(&answer), expected, "strict {steps:?} {minutes}");
        }
        let answer = desk.answer(asked(&three, &with(json!({ "funnelOrderType": "unordered" })))).await;
        let expected = counted(lives.iter().map(|life| unordered(life, &three, minutes, None)), 3);
        assert_eq!(counts(&answer), expected, "unordered {minutes}");

        let exclusions = json!([{ "event": "$pageview", "funnelFromStep": 0, "funnelToStep": 1 }]);
        let filter = with(json!({ "funnelOrderType": "unordered", "exclusions": exclusions }));
        let answer = desk.answer(asked(&["visit", "buy"], &filter)).await;
        let reached = lives.iter().map(|life| unordered(life, &["visit", "buy"], minutes, Some("$pageview")));
        assert_eq!(counts(&answer), counted(reached, 2), "unordered without pages {minutes}");
        let answer = desk.answer(asked(&["visit", "buy"], &with(json!({ "exclusions": exclusions })))).await;
        let reached = lives.iter().map(|life| excluding(life, ["visit", "buy"], minutes, "$pageview"));
        assert_eq!(counts(&answer), counted(reached, 2), "without pages {minutes}");

        let answer = desk.answer(asked(&three, &with(json!({ "funnelVizType": "trends" })))).await;
        let mut days: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for life in &lives {
            let mut best: BTreeMap<i64, usize> = BTreeMap::new();
            for (start, reached) in ordered(life, &three, minutes) {
                let most = best.entry(start / DAY).or_default();
                *most = reached.max(*most);
            }
            for (day, reached) in best {
                let rate = days.entry(day).or_default();
                rate.0 += 1.0;
                rate.1 += f64::from(u8::from(reached == 3));
            }
        }
        let first = World::first_day();
        let rate = |day| days.get(&(first + day)).map_or(0.0, |(all, some)| (some / all * 10_000.0).round() / 100.0);
        let expected: Vec<f64> = (0..20).map(rate).collect();
        assert_eq!(answer["results"][0]["data"], json!(expected), "trend {minutes}");
    }
}

#[tokio::test]
async fn the_people_of_a_step_are_as_many_as_it_counts() {
    let desk = Desk::start().await;
    World::send(&desk, 5, 14).await;
    let funnel = asked(&["visit", "buy"], &json!({ "funnelWindowInterval": 30, "funnelWindowIntervalUnit": "minute" }));
    let counts = counts(&desk.answer(funnel.clone()).await);
    let listed = async |step: i64| {
        let source = json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelStep": step });
        let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
        people["results"].as_array().unwrap().len() as u64
    };
    // Some have no profile, and cannot be listed.
    let known = [listed(1).await, listed(2).await, listed(-2).await];
    assert_eq!(known[0], known[1] + known[2]);
    assert!(known[1] > 0 && known[1] <= counts[1] && known[0] <= counts[0], "{known:?} of {counts:?}");

    let furthest = async |steps: Value| {
        let source = json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelCustomSteps": steps });
        let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
        people["results"].as_array().unwrap().len() as u64
    };
    assert_eq!(furthest(json!([1])).await, known[2]);
    assert_eq!(furthest(json!([2])).await, known[1]);
    assert_eq!(furthest(json!([1, 2])).await, known[0]);
    let source = json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelStep": 2, "funnelCustomSteps": [] });
    let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
    assert_eq!(people["results"].as_array().unwrap().len() as u64, known[1], "no steps are none that were said");

    let mut trend = funnel.clone();
    trend["funnelsFilter"]["funnelVizType"] = "trends".into();
    let days = desk.answer(trend.clone()).await["results"][0].clone();
    let at = days["data"].as_array().unwrap().iter().position(|rate| rate.as_f64().unwrap() > 0.0).unwrap();
    let source = json!({ "kind": "FunnelsActorsQuery", "source": trend,
        "funnelTrendsEntrancePeriodStart": days["days"][at], "funnelTrendsDropOff": false });
    let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
    assert!(!people["results"].as_array().unwrap().is_empty(), "{people}");
}

#[tokio::test]
async fn each_cohort_goes_through_a_funnel_of_its_own() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 31, 14).await;
    // By ids before merges: they name three people.
    let some = desk.upload("some", "u1\nu5\nu9").await.assert_status(201).json()["id"].as_i64().unwrap();
    let nobody = desk.cohort("nobody", json!([{ "type": "person", "key": "plan", "value": "none" }])).await;
    let steps = ["visit", "buy"];
    let mut all: BTreeMap<u64, Vec<(i64, String)>> = BTreeMap::new();
    for event in &world.events {
        all.entry(event.person).or_default().push((event.at.as_second() / 60, event.event.clone()));
    }
    type Far<'a> = &'a dyn Fn(&[(i64, String)]) -> usize;
    type Who<'a> = &'a dyn Fn(u64) -> bool;
    let within = |of: Who<'_>, far: Far<'_>| {
        counted(all.iter().filter(|(person, _)| of(**person)).map(|(_, life)| far(life)), 2)
    };
    let is_some = |person: u64| [2, 5, 9].contains(&person);
    let in_order: Far<'_> = &|life| ordered(life, &steps, 30).iter().map(|(_, n)| *n).max().unwrap_or(0);
    let strictly: Far<'_> = &|life| strict(life, &steps, 30);
    let anyhow: Far<'_> = &|life| unordered(life, &steps, 30, None);
    for (order, far) in [("ordered", in_order), ("strict", strictly), ("unordered", anyhow)] {
        let filter = json!({ "funnelOrderType": order, "funnelWindowInterval": 30, "funnelWindowIntervalUnit": "minute",
            "breakdownAttributionType": "step", "breakdownAttributionValue": 0 });
        let mut query = asked(&steps, &filter);
        query["breakdownFilter"] = json!({ "breakdown_type": "cohort", "breakdown": [some, "all", nobody] });
        let answer = desk.answer(query.clone()).await;
        let results = answer["results"].as_array().unwrap();
        let expected = [("all users", json!(0), within(&|_| true, far)), ("some", json!(some), within(&is_some, far))];
        assert!(expected[1].2[1] > 0 && expected[1].2[1] < expected[0].2[1], "{expected:?} proves nothing");
        assert_eq!(results.len(), 2, "nobody of the third came in: {answer}");
        for (steps, (name, id, counts)) in results.iter().zip(&expected) {
            for (step, count) in steps.as_array().unwrap().iter().zip(counts) {
                let said = (&step["breakdown"], &step["breakdown_value"], &step["count"]);
                assert_eq!(said, (&json!(name), id, &json!(count)), "{order}");
            }
        }
        for value in [json!(some), json!(some.to_string()), json!(["some"])] {
            let source =
                json!({ "kind": "FunnelsActorsQuery", "source": query, "funnelStep": 2, "funnelStepBreakdown": value });
            let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
            assert_eq!(people["results"].as_array().unwrap().len() as u64, expected[1].2[1], "{order} {value}");
        }
    }
    let mut trend = asked(&steps, &json!({ "funnelVizType": "trends" }));
    let plain = desk.answer(trend.clone()).await;
    trend["breakdownFilter"] = json!({ "breakdown_type": "cohort", "breakdown": [some, "all"] });
    let answer = desk.answer(trend).await;
    assert_eq!(answer["results"][0]["data"], plain["results"][0]["data"]);
    let names: Vec<_> = answer["results"].as_array().unwrap().iter().map(|line| &line["breakdown_value"]).collect();
    assert_eq!(names, ["all users", "some"]);
    let mut listed = asked(&steps, &json!({}));
    listed["breakdownFilter"] = json!({ "breakdown_type": "cohort", "breakdown": [some, "all"] });
    let answer = desk.answer(listed.clone()).await;
    let one = |id: Value| json!({ "type": "cohort", "property": id });
    listed["breakdownFilter"] = json!({ "breakdowns": [one(json!(some)), one(json!("all"))] });
    assert_eq!(desk.answer(listed.clone()).await["results"], answer["results"]);
    // Who is named twice is one: no person counts twice.
    listed["breakdownFilter"] =
        json!({ "breakdowns": [one(json!([some, "all"])), one(json!(some.to_string())), one(json!(0))] });
    assert_eq!(desk.answer(listed.clone()).await["results"], answer["results"]);
    listed["breakdownFilter"] = json!({ "breakdown_type": "cohort", "breakdown": [some, "all", 0, some] });
    assert_eq!(desk.answer(listed.clone()).await["results"], answer["results"]);
}

#[tokio::test]
async fn the_people_are_those_of_the_cohort_that_is_meant() {
    let desk = Desk::start().await;
    World::send(&desk, 31, 14).await;
    let some = desk.upload("some", "u1\nu5\nu9").await.assert_status(201).json()["id"].as_i64().unwrap();
    let named = desk.upload(&some.to_string(), "u4").await.assert_status(201).json()["id"].as_i64().unwrap();
    let mut funnel = asked(&["visit", "buy"], &json!({}));
    let listed = async |source: Value| {
        let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
        people["results"].as_array().unwrap().len()
    };
    let by = |cohorts: Value| json!({ "breakdown_type": "cohort", "breakdown": cohorts });
    // One is called as the other is numbered.
    let mut trend = json!({ "kind": "TrendsQuery", "series": [{ "event": "visit", "math": "dau" }], "dateRange": funnel["dateRange"] });
    for cohorts in [json!([named, some]), json!([some, named])] {
        (funnel["breakdownFilter"], trend["breakdownFilter"]) = (by(cohorts.clone()), by(cohorts));
        for (said, expected) in [(json!(some), 3), (json!(some.to_string()), 3), (json!(named), 1)] {
            let of_funnel =
                json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelStep": 1, "funnelStepBreakdown": said });
            assert_eq!(listed(of_funnel).await, expected, "{said}");
            let of_trend = json!({ "kind": "InsightActorsQuery", "source": trend, "breakdown": said });
            assert_eq!(listed(of_trend).await, expected, "{said}");
        }
    }
    for said in [json!("nobody"), json!([some, named])] {
        let source =
            json!({ "kind": "FunnelsActorsQuery", "source": funnel, "funnelStep": 1, "funnelStepBreakdown": said });
        let reply = desk.reply(json!({ "kind": "ActorsQuery", "source": source })).await;
        assert_eq!(reply.assert_status(400).json()["attr"], "source.funnelStepBreakdown", "{said}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    let two = ["a", "b"];
    let exclusion = |from, to| json!({ "exclusions": [{ "event": "x", "funnelFromStep": from, "funnelToStep": to }] });
    for (filter, attr) in [
        (json!({ "funnelVizType": "pie" }), "funnelsFilter.funnelVizType"),
        (json!({ "funnelOrderType": "x" }), "funnelsFilter.funnelOrderType"),
        (json!({ "funnelWindowInterval": 0 }), "funnelsFilter.funnelWindowInterval"),
        (json!({ "funnelWindowIntervalUnit": "year" }), "funnelsFilter.funnelWindowIntervalUnit"),
        (json!({ "funnelToStep": 2 }), "funnelsFilter.funnelToStep"),
        (json!({ "funnelAggregateByHogQL": "(" }), "funnelsFilter"),
        (exclusion(1, 1), "funnelsFilter.exclusions[0].funnelFromStep"),
        (exclusion(0, 2), "funnelsFilter.exclusions[0].funnelToStep"),
        (
            json!({ "exclusions": [{ "event": "a", "funnelFromStep": 0, "funnelToStep": 1 }] }),
            "funnelsFilter.exclusions[0]",
        ),
    ] {
        let reply = desk.reply(asked(&two, &filter)).await;
        assert_eq!(reply.status.as_u16(), 400, "{filter}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
    for (more, attr) in [
        (json!({ "series": [] }), "series"),
        (json!({ "series": [{ "event": "a" }] }), "series"),
        (json!({ "series": [{ "event": "a" }, { "event": "b", "math": "sum" }] }), "series[1].math"),
        (
            json!({ "series": [{ "event": "a", "optionalInFunnel": true }, { "event": "b" }] }),
            "series[0].optionalInFunnel",
        ),
        (json!({ "breakdownFilter": { "breakdown": ["a", "b", "c", "d"] } }), "breakdownFilter.breakdown"),
        (
            json!({ "breakdownFilter": { "breakdown": "a", "breakdown_type": "moon" } }),
            "breakdownFilter.breakdown_type",
        ),
        (
            json!({ "breakdownFilter": { "breakdown": ["all", 7], "breakdown_type": "cohort" } }),
            "breakdownFilter.breakdown[1]",
        ),
        (
            json!({ "breakdownFilter": { "breakdown": vec!["all"; 21], "breakdown_type": "cohort" } }),
            "breakdownFilter.breakdown",
        ),
        (
            json!({ "breakdownFilter": { "breakdowns": vec![json!({ "property": "all", "type": "cohort" }); 21] } }),
            "breakdownFilter.breakdowns",
        ),
        (
            json!({ "breakdownFilter": { "breakdowns": [{ "property": "a" }, { "property": "all", "type": "cohort" }] } }),
            "breakdownFilter.breakdowns[1].property",
        ),
    ] {
        let mut query = asked(&two, &json!({}));
        more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
        let reply = desk.reply(query).await;
        assert_eq!(reply.status.as_u16(), 400, "{more}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
    for (selection, attr) in [
        (json!({ "funnelStep": -1 }), "source.funnelStep"),
        (json!({ "funnelCustomSteps": [1, 3] }), "source.funnelCustomSteps[1]"),
    ] {
        let mut source = json!({ "kind": "FunnelsActorsQuery", "source": asked(&two, &json!({})) });
        source.as_object_mut().unwrap().extend(selection.as_object().unwrap().clone());
        let reply = desk.reply(json!({ "kind": "ActorsQuery", "source": source })).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["attr"]), (400, &json!(attr)), "{}", reply.text());
    }
}

#[tokio::test]
async fn statements_of_cohorts_are_as_they_were() {
    let desk = Desk::start().await;
    let paid = desk.cohort("paid", json!([{ "type": "person", "key": "plan", "value": "paid" }])).await;
    let mut query = asked(&["visit", "buy"], &json!({}));
    query["breakdownFilter"] = json!({ "breakdown_type": "cohort", "breakdown": [paid, "all"] });
    let answer = desk.answer(query).await;
    insta::assert_snapshot!("funnel_cohorts", answer["clickhouse"].as_str().unwrap());
}
