//! `TrendsQuery` beside a naive reading of the same events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Desk;
use super::random::{Happened, World};

/// The range that is asked about, in days of the world.
const FROM: i64 = 2;
const TO: i64 = 11;

fn asked(series: &Value, more: &Value) -> Value {
    let mut query = json!({ "kind": "TrendsQuery", "series": [series],
        "dateRange": { "date_from": "2026-10-03", "date_to": "2026-10-12" } });
    more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
    query
}

/// What is made of numbers; a quantile lies between the two numbers around it.
fn made(of: &str, numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let quantile = |level: f64| {
        let place = level * last as f64;
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    match of {
        "sum" => sorted.iter().sum(),
        "avg" => sorted.iter().sum::<f64>() / sorted.len() as f64,
        "min" => sorted[0],
        "max" => sorted[last],
        "median" => quantile(0.5),
        "p90" => quantile(0.9),
        other => panic!("{other}"),
    }
}

/// One number of the events that fit, in some days.
fn counted(world: &World, math: &str, fits: &dyn Fn(&Happened) -> bool, days: (i64, i64)) -> f64 {
    let inside = |event: &&Happened, (from, to): (i64, i64)| (from..=to).contains(&World::day(event.at)) && fits(event);
    let events: Vec<&Happened> = world.events.iter().filter(|event| inside(event, days)).collect();
    let people = |events: &[&Happened]| events.iter().map(|event| event.person).collect::<BTreeSet<_>>().len() as f64;
    match math {
        "total" => events.len() as f64,
        "dau" => people(&events),
        "weekly_active" | "monthly_active" => {
            let back = if math == "weekly_active" { 6 } else { 29 };
            let days = (days.1 - back, days.1);
            people(&world.events.iter().filter(|event| inside(event, days)).collect::<Vec<_>>())
        }
        "first_time_for_user" | "first_matching_event_for_user" => {
            let mut first: BTreeMap<u64, &Happened> = BTreeMap::new();
            let of_event = |event: &&Happened| event.event == "visit" && (math == "first_time_for_user" || fits(event));
            for event in world.events.iter().filter(of_event) {
                first.entry(event.person).or_insert(event);
            }
            first.values().filter(|event| inside(event, days)).count() as f64
        }
        math => match math.strip_suffix("_count_per_actor") {
            Some(of) => {
                let mut each: BTreeMap<u64, f64> = BTreeMap::new();
                events.iter().for_each(|event| *each.entry(event.person).or_default() += 1.0);
                made(of, &each.into_values().collect::<Vec<_>>())
            }
            None => made(math, &events.iter().map(|event| event.amount).collect::<Vec<_>>()),
        },
    }
}

fn by_day(world: &World, math: &str, fits: &dyn Fn(&Happened) -> bool) -> Vec<f64> {
    (FROM..=TO).map(|day| counted(world, math, fits, (day, day))).collect()
}

fn assert_near(found: &Value, expected: &[f64], about: &str) {
    let numbers: Vec<f64> = found.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(numbers.len(), expected.len(), "{about}");
    assert!(numbers.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{about}: {numbers:?} {expected:?}");
}

const MATHS: [&str; 15] = [
    "total",
    "dau",
    "weekly_active",
    "monthly_active",
    "first_time_for_user",
    "first_matching_event_for_user",
    "sum",
    "avg",
    "min",
    "max",
    "median",
    "p90",
    "avg_count_per_actor",
    "max_count_per_actor",
    "median_count_per_actor",
];

fn series(math: &str) -> Value {
    json!({ "event": "visit", "math": math, "math_property": "amount" })
}

#[tokio::test]
async fn every_math_counts_as_a_naive_reading_does() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 5, 14).await;
    let is_visit = |event: &Happened| event.event == "visit";
    let is_paid = |event: &Happened| event.event == "visit" && event.plan == "paid";
    for math in MATHS {
        let answer = desk.answer(asked(&series(math), &json!({}))).await;
        let expected = by_day(&world, math, &is_visit);
        assert!(expected.iter().sum::<f64>() > 1.0, "{math} finds nothing, so it proves nothing");
        assert_near(&answer["results"][0]["data"], &expected, math);

        let mut paid = series(math);
        paid["properties"] = json!([{ "key": "plan", "value": "paid" }]);
        let answer = desk.answer(asked(&paid, &json!({ "trendsFilter": { "display": "ActionsTable" } }))).await;
        let days = if math == "weekly_active" { (TO, TO) } else { (FROM, TO) };
        let whole = counted(&world, math, &is_paid, days);
        assert_near(&json!([answer["results"][0]["aggregated_value"]]), &[whole], math);
        assert_eq!(answer["results"][0]["data"], json!([]));
    }
    let hogql = json!({ "event": "visit", "math": "hogql", "math_hogql": "sum(properties.amount) * 2 AS x", "math_multiplier": 2 });
    let answer = desk.answer(asked(&hogql, &json!({}))).await;
    let expected: Vec<f64> = by_day(&world, "sum", &is_visit).iter().map(|sum| sum * 4.0).collect();
    assert_near(&answer["results"][0]["data"], &expected, "hogql");
}

#[tokio::test]
async fn values_are_ranked_and_the_others_put_together() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 6, 14).await;
    for math in ["total", "dau", "sum", "avg", "median", "weekly_active", "max_count_per_actor"] {
        let of = |plan: &'static str| by_day(&world, math, &move |event| event.event == "visit" && event.plan == plan);
        let (free, paid) = (of("free"), of("paid"));
        let is_free_first = free.iter().sum::<f64>() >= paid.iter().sum::<f64>();
        let ranked = if is_free_first { [("free", free), ("paid", paid)] } else { [("paid", paid), ("free", free)] };
        let breakdown = json!({ "breakdownFilter": { "breakdown": "plan", "breakdown_limit": 1 } });
        let answer = desk.answer(asked(&series(math), &breakdown)).await;
        let lines = answer["results"].as_array().unwrap();
        assert_eq!((lines.len(), &answer["hasMore"]), (2, &json!(true)), "{math}");
        for (line, (plan, data)) in lines.iter().zip(&ranked) {
            let is_other = *plan != ranked[0].0;
            let said = if is_other { "$$_posthog_breakdown_other_$$" } else { plan };
            assert_eq!(line["breakdown_value"], said, "{math}");
            assert_near(&line["data"], data, math);
        }
        let hidden = json!({ "breakdownFilter": { "breakdowns": [{ "property": "plan" }, { "property": "never" }],
            "breakdown_limit": 1, "breakdown_hide_other_aggregation": true } });
        let answer = desk.answer(asked(&series(math), &hidden)).await;
        assert_eq!(answer["results"].as_array().unwrap().len(), 1, "{math}");
        let first = &answer["results"][0];
        assert_eq!(first["breakdown_value"], json!([ranked[0].0, "$$_posthog_breakdown_null_$$"]), "{math}");
        assert_near(&first["data"], &ranked[0].1, math);
    }
    // Numbers from 0.5 to 6.5 in two bins.
    let bins = json!({ "breakdownFilter": { "breakdowns": [{ "property": "amount", "histogram_bin_count": 2 }] } });
    let answer = desk.answer(asked(&series("total"), &bins)).await;
    let mut found = BTreeMap::new();
    for line in answer["results"].as_array().unwrap() {
        found.insert(line["label"].as_str().unwrap().to_owned(), line["data"].clone());
    }
    let of = |low: f64, high: f64| {
        by_day(&world, "total", &move |event| event.event == "visit" && low <= event.amount && event.amount < high)
    };
    assert_eq!(found.keys().collect::<Vec<_>>(), ["[0.5,3.5]", "[3.5,6.51]"]);
    assert_near(&found["[0.5,3.5]"], &of(0.5, 3.5), "bins");
    assert_near(&found["[3.5,6.51]"], &of(3.5, 6.51), "bins");
}

#[tokio::test]
async fn cohorts_stand_among_other_values() {
    let desk = Desk::start().await;
    let event = |who: &str, plan: &str, minute: u32| {
        json!({ "event": "visit", "distinct_id": who, "timestamp": format!("2026-10-03T10:{minute:02}:00Z"),
            "properties": { "plan": plan, "$set": { "email": format!("{who}@x.example") } } })
    };
    desk.send(&json!([
        event("ada", "free", 0),
        event("ada", "paid", 1),
        event("bob", "paid", 2),
        event("bob", "paid", 3)
    ]))
    .await;
    let filter = json!([{ "key": "email", "type": "person", "operator": "exact", "value": "ada@x.example" }]);
    let ada = desk.cohort("Ada", filter).await;
    let by = |cohort: Value| json!({ "breakdownFilter": { "breakdowns": [{ "property": cohort, "type": "cohort" }, { "property": "plan", "type": "event" }] } });
    let lines = desk.answer(asked(&series("total"), &by(json!(ada)))).await["results"].clone();
    let said = |line: &Value| json!([line["label"], line["breakdown_value"], line["count"]]);
    let found: Vec<Value> = lines.as_array().unwrap().iter().map(said).collect();
    assert_eq!(found, [json!(["Ada::free", [ada, "free"], 1]), json!(["Ada::paid", [ada, "paid"], 1])]);
    let lines = desk.answer(asked(&series("total"), &by(json!("all")))).await["results"].clone();
    let found: Vec<Value> = lines.as_array().unwrap().iter().map(said).collect();
    assert_eq!(found, [json!(["all users::paid", ["all", "paid"], 3]), json!(["all users::free", ["all", "free"], 1])]);
    let mut source = json!({ "kind": "InsightActorsQuery", "breakdown": [ada.to_string(), "paid"] });
    source["source"] = asked(&series("total"), &by(json!(ada)));
    let people = desk.answer(json!({ "kind": "ActorsQuery", "select": ["properties.email"], "source": source })).await;
    assert_eq!(people["results"], json!([["ada@x.example"]]));
    let reply = desk.reply(asked(&series("total"), &by(json!(404)))).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["attr"]), (400, &json!("breakdownFilter.breakdowns[0].property")));
}

#[tokio::test]
async fn ranges_are_compared_formulas_applied_and_buckets_added_up() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 7, 14).await;
    let is_visit = |event: &Happened| event.event == "visit";
    let total = by_day(&world, "total", &is_visit);
    let compared = json!({ "dateRange": { "date_from": "2026-10-08", "date_to": "2026-10-12" } });
    let before = |compare_to: Option<&str>| {
        let mut more = compared.clone();
        more["compareFilter"] = json!({ "compare": true, "compare_to": compare_to });
        more
    };
    for (compare_to, from) in [(None, 0), (Some("-3d"), 2)] {
        let answer = desk.answer(asked(&series("total"), &before(compare_to))).await;
        assert_near(&answer["results"][0]["data"], &total[5..], "current");
        assert_eq!(answer["results"][1]["compare_label"], "previous");
        assert_near(&answer["results"][1]["data"], &total[from..from + 5], "previous");
    }
    let sums: Vec<f64> = (0..total.len()).map(|at| total[..=at].iter().sum()).collect();
    let cumulative = json!({ "trendsFilter": { "display": "ActionsLineGraphCumulative" } });
    let answer = desk.answer(asked(&series("total"), &cumulative)).await;
    assert_near(&answer["results"][0]["data"], &sums, "cumulative");
    assert_eq!(answer["results"][0]["count"].as_f64(), sums.last().copied());
    // People are counted once, on the first of their days.
    let answer = desk.answer(asked(&series("dau"), &cumulative)).await;
    let people: Vec<f64> = (FROM..=TO).map(|day| counted(&world, "dau", &is_visit, (FROM, day))).collect();
    assert_near(&answer["results"][0]["data"], &people, "people so far");
    let mut by_plan = cumulative.clone();
    by_plan["breakdownFilter"] = json!({ "breakdown": "plan" });
    let answer = desk.answer(asked(&series("dau"), &by_plan)).await;
    for line in answer["results"].as_array().unwrap() {
        let of_plan = |event: &Happened| is_visit(event) && line["breakdown_value"] == event.plan.as_str();
        let people: Vec<f64> = (FROM..=TO).map(|day| counted(&world, "dau", &of_plan, (FROM, day))).collect();
        assert_near(&line["data"], &people, "people of a plan so far");
    }
    let mut query = asked(&series("total"), &json!({ "trendsFilter": { "formula": "A / B" } }));
    query["series"] = json!([series("total"), series("dau")]);
    let answer = desk.answer(query).await;
    let each = by_day(&world, "avg_count_per_actor", &is_visit);
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_near(&answer["results"][0]["data"], &each, "formula");
    // Weeks from Sunday on; only days of the range count.
    let answer = desk.answer(asked(&series("dau"), &json!({ "interval": "week" }))).await;
    let weeks = [(2, 2), (3, 9), (10, 11)];
    let expected = weeks.map(|days| counted(&world, "dau", &is_visit, days));
    assert_near(&answer["results"][0]["data"], &expected, "weeks");
    // Who was there in the week that ends with the first day of each week is not asked for: a week is a week.
    let answer = desk.answer(asked(&series("monthly_active"), &json!({ "interval": "week" }))).await;
    let expected = [-4, 3, 10].map(|day| counted(&world, "monthly_active", &is_visit, (day, day)));
    assert_near(&answer["results"][0]["data"], &expected, "month up to the first day of each week");
}

/// 2026-10-03 was a Saturday.
const WEEKDAYS: [usize; 6] = [2, 3, 4, 5, 6, 9];

#[tokio::test]
async fn lines_are_drawn_beside_numbers_and_weekends_left_out() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 9, 14).await;
    let total = by_day(&world, "total", &|event| event.event == "visit");
    let drawn =
        json!({ "trendsFilter": { "showTrendLines": true, "showMovingAverage": true, "movingAverageIntervals": 2 } });
    let line = desk.answer(asked(&series("total"), &drawn)).await["results"][0].clone();
    assert_near(&line["data"], &total, "beside");
    let averages: Vec<f64> = (0..total.len()).map(|at| (total[at.max(1) - 1] + total[at.max(1)]) / 2.0).collect();
    assert_near(&line["moving_average"], &averages, "average");
    // The least squares of ten places: whatever the slope, the line goes through the middle of both.
    let straight: Vec<f64> = line["trend_line"].as_array().unwrap().iter().map(|at| at.as_f64().unwrap()).collect();
    assert!((straight.iter().sum::<f64>() - total.iter().sum::<f64>()).abs() < 1e-6, "{straight:?}");
    let along: f64 = total.iter().enumerate().map(|(at, value)| (at as f64 - 4.5) * value).sum();
    assert!((straight[1] - straight[0] - along / 82.5).abs() < 1e-9, "{straight:?}");
    let plain = desk.answer(asked(&series("total"), &json!({}))).await["results"][0].clone();
    assert!(plain.get("moving_average").is_none() && plain.get("trend_line").is_none());

    let kept: Vec<f64> = WEEKDAYS.iter().map(|at| total[*at]).collect();
    let hidden = json!({ "trendsFilter": { "hideWeekends": true, "showTrendLines": true } });
    let line = desk.answer(asked(&series("total"), &hidden)).await["results"][0].clone();
    assert_near(&line["data"], &kept, "weekdays");
    assert_eq!(line["count"].as_f64(), Some(kept.iter().sum()));
    let days = ["2026-10-05", "2026-10-06", "2026-10-07", "2026-10-08", "2026-10-09", "2026-10-12"];
    assert_eq!(line["days"], json!(days));
    assert_eq!((line["labels"][5].as_str(), line["trend_line"].as_array().unwrap().len()), (Some("12-Oct-2026"), 6));
    // What is hidden is counted: a sum so far has it, and so have those who were there in the last week.
    let sums: Vec<f64> = WEEKDAYS.iter().map(|at| total[..=*at].iter().sum()).collect();
    let cumulative = json!({ "trendsFilter": { "hideWeekends": true, "display": "ActionsLineGraphCumulative" } });
    let line = desk.answer(asked(&series("total"), &cumulative)).await["results"][0].clone();
    assert_near(&line["data"], &sums, "sums so far");
    assert_eq!(line["count"].as_f64(), sums.last().copied());
    let whole = json!({ "trendsFilter": { "hideWeekends": true, "display": "BoldNumber", "showTrendLines": true } });
    let line = desk.answer(asked(&series("total"), &whole)).await["results"][0].clone();
    assert_eq!(line["aggregated_value"].as_f64(), Some(total.iter().sum()));
    assert!(line.get("trend_line").is_none());
}

#[tokio::test]
async fn only_some_days_of_the_week_count() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 10, 14).await;
    let only = |mut more: Value, days: Value| {
        more["dateRange"] = json!({ "date_from": "2026-10-03", "date_to": "2026-10-12", "daysOfWeek": days });
        more
    };
    let is_weekday = |day: i64| !matches!((day + 3) % 7, 5 | 6);
    let visits = |event: &Happened| event.event == "visit" && is_weekday(World::day(event.at));
    for math in ["total", "dau", "weekly_active"] {
        let expected = by_day(&world, math, &visits);
        let expected: Vec<f64> = WEEKDAYS.iter().map(|at| expected[*at]).collect();
        let answer = desk.answer(asked(&series(math), &only(json!({}), json!([1, 2, 3, 4, 5])))).await;
        assert_near(&answer["results"][0]["data"], &expected, math);
    }
    let number = json!({ "trendsFilter": { "display": "BoldNumber" } });
    let answer = desk.answer(asked(&series("total"), &only(number, json!([1, 2, 3, 4, 5])))).await;
    let whole = counted(&world, "total", &visits, (FROM, TO));
    assert_eq!(answer["results"][0]["aggregated_value"].as_f64(), Some(whole));
    let all = desk.answer(asked(&series("total"), &only(json!({}), json!([])))).await;
    assert_eq!(all["results"][0]["data"].as_array().unwrap().len(), 10);
    for (days, more, attr) in [
        (json!([0]), json!({}), "dateRange.daysOfWeek[0]"),
        (json!([8]), json!({}), "dateRange.daysOfWeek[0]"),
        (json!("monday"), json!({}), "dateRange.daysOfWeek"),
        (json!([1]), json!({ "trendsFilter": { "smoothingIntervals": 3 } }), "trendsFilter.smoothingIntervals"),
        (json!([1]), json!({ "kind": "RetentionQuery" }), "dateRange.daysOfWeek"),
    ] {
        let reply = desk.reply(asked(&series("total"), &only(more, days.clone()))).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["attr"]), (400, &json!(attr)), "{days}\n{}", reply.text());
    }
}

#[tokio::test]
async fn a_day_is_compared_with_one_of_the_same_weekday() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 11, 14).await;
    let total: Vec<f64> =
        (0..14).map(|day| counted(&world, "total", &|event| event.event == "visit", (day, day))).collect();
    // Five days: a week before they start none of them is among them.
    for (compare_to, first) in [(Value::Null, 2), (json!("-5d"), 2), (json!("-8d"), 2), (json!("-1d"), 2)] {
        let more = json!({ "dateRange": { "date_from": "2026-10-10", "date_to": "2026-10-14" },
            "compareFilter": { "compare": true, "compare_to": compare_to, "match_weekday": true } });
        let lines = desk.answer(asked(&series("total"), &more)).await["results"].clone();
        assert_near(&lines[0]["data"], &total[9..14], "current");
        assert_near(&lines[1]["data"], &total[first..first + 5], "previous");
        assert_eq!((&lines[0]["days"][0], &lines[1]["days"][0]), (&json!("2026-10-10"), &json!("2026-10-03")));
    }
    for (compare_to, first_day) in [("-1y", "2025-10-11"), ("-1m", "2026-09-12"), ("-2w", "2026-09-26")] {
        let more = json!({ "dateRange": { "date_from": "2026-10-10", "date_to": "2026-10-14" },
            "compareFilter": { "compare": true, "compare_to": compare_to, "match_weekday": true } });
        let lines = desk.answer(asked(&series("total"), &more)).await["results"].clone();
        assert_eq!(lines[1]["days"][0], first_day, "{compare_to}");
    }
}

#[tokio::test]
async fn the_people_behind_a_number_are_those_it_counted() {
    let desk = Desk::start().await;
    let world = World::send(&desk, 8, 14).await;
    let people = async |series: Value, more: Value, selection: Value| {
        let mut source = json!({ "kind": "InsightActorsQuery", "source": asked(&series, &more) });
        selection.as_object().unwrap().iter().for_each(|(key, value)| source[key] = value.clone());
        let answer = desk.answer(json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })).await;
        answer["results"].as_array().unwrap().len() as f64
    };
    let known = |event: &Happened| event.event == "visit" && World::has_profile(event.person);
    let paid = |event: &Happened| known(event) && event.plan == "paid";
    let mut found = 0.0;
    for day in [4, 5, 9, 11] {
        let on = json!({ "day": format!("2026-10-{:02}", day + 1) });
        for (math, counts) in [
            ("total", "dau"),
            ("dau", "dau"),
            ("sum", "dau"),
            ("weekly_active", "weekly_active"),
            ("first_time_for_user", "first_time_for_user"),
        ] {
            let expected = counted(&world, counts, &known, (day, day));
            assert_eq!(people(series(math), json!({}), on.clone()).await, expected, "{math} on day {day}");
            found += expected;
        }
        let mut of_paid = on.clone();
        of_paid["breakdown"] = "paid".into();
        let by_plan = json!({ "breakdownFilter": { "breakdown": "plan" } });
        assert_eq!(people(series("dau"), by_plan, of_paid).await, counted(&world, "dau", &paid, (day, day)));
    }
    assert!(found > 20.0, "{found}");
    let by_plan = json!({ "breakdownFilter": { "breakdown": "plan", "breakdown_limit": 1 } });
    let top = desk.answer(asked(&series("total"), &by_plan)).await["results"][0]["breakdown_value"].clone();
    let rest = move |event: &Happened| event.event == "visit" && World::has_profile(event.person) && top != event.plan;
    let other = json!({ "breakdown": "$$_posthog_breakdown_other_$$" });
    assert_eq!(people(series("total"), by_plan, other).await, counted(&world, "dau", &rest, (FROM, TO)));
    let cumulative = json!({ "trendsFilter": { "display": "ActionsLineGraphCumulative" } });
    let so_far = people(series("dau"), cumulative, json!({ "day": "2026-10-06" })).await;
    assert_eq!(so_far, counted(&world, "dau", &known, (FROM, 5)));
    let before = json!({ "dateRange": { "date_from": "2026-10-08", "date_to": "2026-10-12" }, "compareFilter": { "compare": true } });
    let previous = json!({ "day": "2026-10-04", "compare": "previous" });
    assert_eq!(people(series("dau"), before, previous).await, counted(&world, "dau", &known, (3, 3)));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let desk = Desk::start().await;
    for (series, more, attr) in [
        (json!({ "math": "mean" }), json!({}), "series[0].math"),
        (json!({ "math": "sum" }), json!({}), "series[0].math_property"),
        (json!({ "math": "unique_group" }), json!({}), "series[0].math_group_type_index"),
        (json!({ "math": "hogql", "math_hogql": "event" }), json!({}), "series[0].math_hogql"),
        (json!({ "math": "hogql", "math_hogql": "sum(" }), json!({}), "series[0].math_hogql"),
        (json!({ "math_multiplier": "x" }), json!({}), "series[0].math_multiplier"),
        (json!({}), json!({ "trendsFilter": { "display": "x" } }), "trendsFilter.display"),
        (json!({}), json!({ "trendsFilter": { "formula": "A + Z" } }), "trendsFilter.formula"),
        (
            json!({}),
            json!({ "breakdownFilter": { "breakdown": "a", "breakdown_limit": 10_000 } }),
            "breakdownFilter.breakdown_limit",
        ),
        (
            json!({}),
            json!({ "breakdownFilter": { "breakdown": "a", "breakdown_type": "x" } }),
            "breakdownFilter.breakdown_type",
        ),
        (
            json!({}),
            json!({ "breakdownFilter": { "breakdowns": vec![json!({ "property": "a" }); 4] } }),
            "breakdownFilter.breakdowns",
        ),
        (
            json!({}),
            json!({ "breakdownFilter": { "breakdown": "a", "breakdown_histogram_bin_count": 0 } }),
            "breakdownFilter.breakdown_histogram_bin_count",
        ),
        (
            json!({}),
            json!({ "compareFilter": { "compare": true, "compare_to": "yesterday" } }),
            "compareFilter.compare_to",
        ),
        (
            json!({}),
            json!({ "dateRange": { "date_from": "2026-11-10", "date_to": "2026-11-01" } }),
            "dateRange.date_to",
        ),
        (json!({}), json!({ "series": [] }), "series"),
        (json!({ "properties": [{ "key": "a", "operator": "regex", "value": "(" }] }), json!({}), "properties"),
    ] {
        let query = asked(&series, &more);
        let reply = desk.reply(query.clone()).await;
        assert_eq!(reply.status.as_u16(), 400, "{query}\n{}", reply.text());
        assert_eq!(reply.json()["attr"], attr, "{}", reply.text());
    }
    let source = |more: Value| {
        let mut source =
            json!({ "kind": "InsightActorsQuery", "source": asked(&json!({ "event": "visit" }), &json!({})) });
        more.as_object().unwrap().iter().for_each(|(key, value)| source[key] = value.clone());
        json!({ "kind": "ActorsQuery", "select": ["id"], "source": source })
    };
    for (more, attr) in [
        (json!({ "series": 3 }), "source.series"),
        (json!({ "day": "2025-01-01" }), "source.day"),
        (json!({ "compare": "previous" }), "source.compare"),
    ] {
        let reply = desk.reply(source(more)).await;
        assert_eq!((reply.status.as_u16(), reply.json()["attr"].as_str()), (400, Some(attr)), "{}", reply.text());
    }
}

#[tokio::test]
async fn statements_are_as_they_were_looked_at() {
    let desk = Desk::start().await;
    for (name, series, more) in [
        ("total", json!({ "event": "buy" }), json!({})),
        ("unique_by_week", json!({ "math": "dau" }), json!({ "interval": "week" })),
        (
            "sum_by_value",
            json!({ "event": "buy", "math": "sum", "math_property": "amount" }),
            json!({ "breakdownFilter": { "breakdown": "plan" } }),
        ),
        ("weekly_active", json!({ "event": "buy", "math": "weekly_active" }), json!({})),
        ("first_time", json!({ "event": "buy", "math": "first_time_for_user" }), json!({})),
        (
            "session_median",
            json!({ "event": "buy", "math": "median", "math_property": "$session_duration" }),
            json!({ "trendsFilter": { "display": "BoldNumber" } }),
        ),
        (
            "hogql_by_two_values",
            json!({ "event": "buy", "math": "hogql", "math_hogql": "max(properties.amount)" }),
            json!({ "breakdownFilter": { "breakdowns": [{ "property": "plan" }, { "property": "email", "type": "person" }] } }),
        ),
    ] {
        let answer = desk.answer(asked(&series, &more)).await;
        let said = answer["clickhouse"].as_str().unwrap();
        let text: Vec<&str> = said.lines().filter(|line| !line.starts_with("-- p")).collect();
        insta::assert_snapshot!(format!("trend_{name}"), text.join("\n"));
    }
}
