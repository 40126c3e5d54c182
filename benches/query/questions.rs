//! What is asked: each question as ours over the API, its floor, and in the field's two layouts, with the goals.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::events::RARE;
use crate::field::MATERIALIZED;

/// An answer as numbers by what they are about, zeros left out: the same however it was asked for.
pub type Answer = BTreeMap<String, f64>;

pub struct Question {
    pub name: &'static str,
    pub ours: Value,
    /// Makes an answer of what the API said.
    pub read: fn(&Value) -> Result<Answer>,
    pub floor: String,
    pub text: Theirs,
    pub json: Theirs,
    /// How much of the floor's and of the field's CPU ours may take; none if that is no goal.
    pub most: (Option<f64>, Option<f64>),
}

/// A statement of the field: its last column is a number, and those before say what it is about.
pub struct Theirs {
    pub sql: String,
    /// Whether each number counts for all lower ones too, as the levels of a funnel do.
    pub is_level: bool,
}

impl Theirs {
    pub fn read(&self, rows: &str) -> Result<Answer> {
        let mut answer = Answer::new();
        for row in rows.lines() {
            let (about, value) = row.rsplit_once('\t').context("two columns")?;
            let value: f64 = value.parse()?;
            // A day is its first moment.
            let about = about.strip_suffix(" 00:00:00").unwrap_or(about);
            if self.is_level {
                (1..=about.parse::<u32>()?).for_each(|level| *answer.entry(level.to_string()).or_default() += value);
            } else {
                answer.insert(about.to_owned(), value);
            }
        }
        Ok(answer)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Text,
    Json,
}

/// From when to when.
#[derive(Clone, Copy)]
struct Days(&'static str, &'static str, &'static str);

/// A month: first day, last day, the day after.
const MONTH: Days = Days("2026-10-01", "2026-10-30", "2026-10-31");
/// Eight weeks from Sunday on.
const WEEKS: Days = Days("2026-09-06", "2026-10-31", "2026-11-01");

/// A window of fourteen days in milliseconds.
const WINDOW: &str = "1209600000";

impl Days {
    fn json(self) -> Value {
        json!({ "date_from": self.0, "date_to": self.1, "explicitDate": false })
    }

    /// As the field writes it.
    fn moments(self) -> String {
        let Self(first, _, end) = self;
        format!(
            "timestamp >= toDateTime64('{first} 00:00:00', 6, 'UTC') AND timestamp < toDateTime64('{end} 00:00:00', 6, 'UTC')"
        )
    }

    /// With the days, so that nothing else of our table is read.
    fn moments_and_days(self) -> String {
        format!("{} AND toDate(timestamp) BETWEEN '{}' AND '{}'", self.moments(), self.0, self.1)
    }
}

fn names(events: &[&str]) -> String {
    let quoted: Vec<String> = events.iter().map(|event| format!("'{event}'")).collect();
    if let [one] = quoted.as_slice() { format!("event = {one}") } else { format!("event IN ({})", quoted.join(", ")) }
}

/// Reads these columns of these events of our table, and counts them.
fn floor(days: Days, events: &[&str], columns: &str) -> String {
    format!(
        "SELECT count() FROM events WHERE project_id = 1 AND {} AND {} AND NOT ignore({columns})",
        names(events),
        days.moments_and_days()
    )
}

impl Layout {
    fn table(self) -> &'static str {
        match self {
            Self::Text => "field_text",
            Self::Json => "field_json",
        }
    }

    fn property(self, key: &str) -> String {
        match self {
            Self::Text if MATERIALIZED.contains(&key) => format!("`mat_{key}`"),
            Self::Text => format!(
                "replaceRegexpAll(nullIf(nullIf(JSONExtractRaw(properties, '{key}'), ''), 'null'), '^\"|\"$', '')"
            ),
            Self::Json if key.starts_with('$') => format!("properties.`{key}`"),
            Self::Json => format!("properties.{key}.:String"),
        }
    }

    /// `FROM … WHERE …` of these events.
    fn events(self, days: Days, events: &[&str]) -> String {
        format!("FROM {} WHERE team_id = 1 AND {} AND {}", self.table(), names(events), days.moments())
    }

    /// The same with `person`: who that is after merges.
    fn events_of_people(self, days: Days, events: &[&str], columns: &str) -> String {
        format!(
            "SELECT if(empty(o.distinct_id), e.person_id, o.person_id) AS person{columns} FROM {} AS e LEFT OUTER JOIN (\n\
             SELECT distinct_id, argMax(person_id, version) AS person_id FROM field_overrides WHERE team_id = 1 \
             GROUP BY distinct_id HAVING argMax(is_deleted, version) = 0) AS o ON e.distinct_id = o.distinct_id\n\
             WHERE e.team_id = 1 AND e.{} AND {}",
            self.table(),
            names(events),
            days.moments().replace("timestamp", "e.timestamp")
        )
    }
}

fn plain(sql: impl Fn(Layout) -> String) -> (Theirs, Theirs) {
    let theirs = |layout| Theirs { sql: sql(layout), is_level: false };
    (theirs(Layout::Text), theirs(Layout::Json))
}

pub fn all() -> Vec<Question> {
    let mut all = vec![trend(), by_property(), by_own_property(), by_rare_property(), people()];
    all.extend([funnel("funnel of 3 steps", &THREE), funnel("funnel of 8 steps", &EIGHT)]);
    all.extend([retention(), paths(), stickiness()]);
    all
}

fn trend() -> Question {
    let (text, json) = plain(|layout| {
        format!(
            "SELECT toStartOfDay(toTimeZone(timestamp, 'UTC')) AS day, count() {} GROUP BY day",
            layout.events(MONTH, &["$pageview"])
        )
    });
    Question {
        name: "trend: events by day",
        ours: trends(&json!({ "math": "total" }), &json!({})),
        read: read_days,
        floor: floor(MONTH, &["$pageview"], "timestamp"),
        text,
        json,
        most: (Some(1.3), Some(0.45)),
    }
}

fn trends(series: &Value, more: &Value) -> Value {
    let mut one = json!({ "kind": "EventsNode", "event": "$pageview" });
    let mut query = json!({ "kind": "TrendsQuery", "interval": "day", "dateRange": MONTH.json() });
    for (into, from) in [(&mut one, series), (&mut query, more)] {
        from.as_object().into_iter().flatten().for_each(|(key, value)| into[key] = value.clone());
    }
    query["series"] = json!([one]);
    query
}

fn by(key: &str) -> Value {
    json!({ "breakdown": key, "breakdown_type": "event", "breakdown_limit": 25 })
}

fn split(layout: Layout, key: &str, more: &str) -> String {
    format!(
        "SELECT ifNull({}, 'none') AS value, toStartOfDay(toTimeZone(timestamp, 'UTC')) AS day, count() {}{more} GROUP BY value, day",
        layout.property(key),
        layout.events(MONTH, &["$pageview"])
    )
}

fn by_property() -> Question {
    let (text, json) = plain(|layout| {
        let country = layout.property("$geoip_country_code");
        split(layout, "$browser", &format!(" AND ifNull({country} = 'DE', 0)"))
    });
    let filter = json!([{ "key": "$geoip_country_code", "value": ["DE"], "operator": "exact", "type": "event" }]);
    Question {
        name: "trend: filter and breakdown by a usual property",
        ours: trends(&json!({}), &json!({ "properties": filter, "breakdownFilter": by("$browser") })),
        read: read_days,
        floor: floor(MONTH, &["$pageview"], "timestamp, `$browser`, `$geoip_country_code`"),
        text,
        json,
        most: (Some(1.3), Some(0.3)),
    }
}

fn by_own_property() -> Question {
    let (text, json) = plain(|layout| split(layout, "plan", ""));
    Question {
        name: "trend: breakdown by a property of one's own",
        ours: trends(&json!({}), &json!({ "breakdownFilter": by("plan") })),
        read: read_days,
        floor: floor(MONTH, &["$pageview"], "timestamp, properties.plan"),
        text,
        json,
        most: (Some(1.3), Some(0.3)),
    }
}

fn by_rare_property() -> Question {
    let (text, json) = plain(|layout| split(layout, RARE, ""));
    Question {
        name: "trend: breakdown by a rare property",
        ours: trends(&json!({}), &json!({ "breakdownFilter": by(RARE) })),
        read: read_days,
        floor: floor(MONTH, &["$pageview"], &format!("timestamp, properties.{RARE}")),
        text,
        json,
        most: (Some(3.0), Some(1.0)),
    }
}

fn people() -> Question {
    let (text, json) = plain(|layout| {
        format!(
            "SELECT day, count(DISTINCT person) FROM (\n{}) GROUP BY day",
            layout.events_of_people(MONTH, &["$pageview"], ", toStartOfDay(toTimeZone(e.timestamp, 'UTC')) AS day")
        )
    });
    Question {
        name: "trend: unique people with merges",
        ours: trends(&json!({ "math": "dau" }), &json!({})),
        read: read_days,
        floor: floor(MONTH, &["$pageview"], "timestamp, person_id"),
        text,
        json,
        most: (Some(2.0), Some(0.25)),
    }
}

const THREE: [&str; 3] = ["signup_started", "signup_completed", "plan_upgraded"];
const EIGHT: [&str; 8] = [
    "signup_started",
    "signup_completed",
    "project_created",
    "file_uploaded",
    "report_viewed",
    "invite_sent",
    "plan_viewed",
    "plan_upgraded",
];

fn funnel(name: &'static str, steps: &'static [&'static str]) -> Question {
    let theirs = |layout: Layout| {
        let conditions: Vec<String> = steps.iter().map(|step| format!("event = '{step}'")).collect();
        // Milliseconds from the first on fit into 32 bits, which windowFunnel is fastest with.
        let at = ", toUInt32(toUnixTimestamp64Milli(e.timestamp) - 1790812800000) AS at, e.event AS event";
        let sql = format!(
            "SELECT level, count() FROM (\nSELECT person, windowFunnel({WINDOW})(at, {}) AS level FROM (\n{}) GROUP BY person) \
             WHERE level > 0 GROUP BY level",
            conditions.join(", "),
            layout.events_of_people(MONTH, steps, at)
        );
        Theirs { sql, is_level: true }
    };
    let series: Vec<Value> = steps.iter().map(|step| json!({ "kind": "EventsNode", "event": step })).collect();
    Question {
        name,
        ours: json!({ "kind": "FunnelsQuery", "dateRange": MONTH.json(), "series": series,
            "funnelsFilter": { "funnelWindowInterval": 14, "funnelWindowIntervalUnit": "day" } }),
        read: |answer| {
            let steps = list(&answer["results"])?.iter().zip(1_u32..);
            Ok(numbers(steps.map(|(step, at)| (at.to_string(), step["count"].as_f64()))))
        },
        floor: floor(MONTH, steps, "timestamp, person_id, event"),
        text: theirs(Layout::Text),
        json: theirs(Layout::Json),
        most: (Some(4.0), Some(0.4)),
    }
}

fn retention() -> Question {
    let events = ["signup_completed", "report_viewed"];
    let (text, json) = plain(|layout| {
        let week = "toStartOfWeek(at, 0)";
        format!(
            "SELECT first, later, count(DISTINCT person) FROM (\n\
             SELECT person, arraySort(groupUniqArrayIf({week}, event = 'signup_completed')) AS began,\n\
             arraySort(groupUniqArrayIf({week}, event = 'report_viewed')) AS returned,\n\
             arrayMap(x -> toDate('2026-09-06') + toIntervalWeek(x), range(0, 8)) AS weeks,\n\
             arrayJoin(arrayFilter(x -> x > -1, arrayMap((i, week) -> if(has(began, week), i - 1, -1), \
             arrayEnumerate(weeks), weeks))) AS first,\n\
             arrayJoin(arrayConcat([0], arrayFilter(x -> x > 0 AND x < 8, \
             arrayMap(x -> indexOf(arraySlice(weeks, first + 1), x) - 1, returned)))) AS later\n\
             FROM (\n{}) GROUP BY person) GROUP BY first, later",
            layout.events_of_people(WEEKS, &events, ", e.timestamp AS at, e.event AS event")
        )
    });
    let entity = |name: &str| json!({ "id": name, "name": name, "type": "events" });
    Question {
        name: "retention by week",
        ours: json!({ "kind": "RetentionQuery", "dateRange": WEEKS.json(), "retentionFilter": {
            "retentionType": "retention_recurring", "period": "Week", "totalIntervals": 8,
            "targetEntity": entity(events[0]), "returningEntity": entity(events[1]) } }),
        read: |answer| {
            let mut found = Vec::new();
            for (row, first) in list(&answer["results"])?.iter().zip(0_u32..) {
                for (cell, later) in list(&row["values"])?.iter().zip(0_u32..) {
                    found.push((format!("{first}\t{later}"), cell["count"].as_f64()));
                }
            }
            Ok(numbers(found))
        },
        floor: floor(WEEKS, &events, "timestamp, person_id, event"),
        text,
        json,
        most: (Some(6.0), Some(0.35)),
    }
}

fn paths() -> Question {
    let (text, json) = plain(|layout| {
        let url = layout.property("$current_url").replace("properties.", "e.properties.");
        let rows = format!(", e.timestamp AS at, replaceRegexpAll(ifNull({url}, ''), '(.)/$', '\\\\1') AS page");
        format!(
            "SELECT concat(toString(edge.1), '_', edge.2), concat(toString(edge.1 + 1), '_', edge.3), count() AS value FROM (\n\
             SELECT arrayJoin(arrayMap((i, one, next) -> (i, one.2, next.2), arrayEnumerate(arrayPopBack(path)), \
             arrayPopBack(path), arrayPopFront(path))) AS edge FROM (\n\
             SELECT arraySlice(arrayFilter((one, next) -> one.2 != next.2, sitting, \
             arrayPushBack(arrayPopFront(sitting), (toDateTime64(0, 6, 'UTC'), ''))), 1, 5) AS path FROM (\n\
             SELECT arrayJoin(arraySplit((one, pause) -> pause >= 1800000000, seen, \
             arrayDifference(arrayMap(one -> toUnixTimestamp64Micro(one.1), seen)))) AS sitting FROM (\n\
             SELECT person, arraySort(groupArray((at, page))) AS seen FROM (\n{}) WHERE page != '' GROUP BY person))))\n\
             GROUP BY edge ORDER BY value DESC, concat(toString(edge.1), '_', edge.2), concat(toString(edge.1 + 1), '_', edge.3) \
             LIMIT 50",
            layout.events_of_people(MONTH, &["$pageview"], &rows)
        )
    });
    Question {
        name: "paths of pages",
        ours: json!({ "kind": "PathsQuery", "dateRange": MONTH.json(),
            "pathsFilter": { "includeEventTypes": ["$pageview"], "stepLimit": 5, "edgeLimit": 50 } }),
        read: |answer| {
            let edges = list(&answer["results"])?.iter();
            Ok(numbers(
                edges.map(|edge| {
                    (format!("{}\t{}", word(&edge["source"]), word(&edge["target"])), edge["value"].as_f64())
                }),
            ))
        },
        floor: floor(MONTH, &["$pageview"], "timestamp, person_id, `$current_url`"),
        text,
        json,
        most: (None, Some(0.5)),
    }
}

fn stickiness() -> Question {
    let (text, json) = plain(|layout| {
        format!(
            "SELECT days, count() FROM (\nSELECT person, uniqExact(day) AS days FROM (\n{}) GROUP BY person) GROUP BY days",
            layout.events_of_people(MONTH, &["$pageview"], ", toStartOfDay(toTimeZone(e.timestamp, 'UTC')) AS day")
        )
    });
    Question {
        name: "stickiness by day",
        ours: json!({ "kind": "StickinessQuery", "interval": "day", "dateRange": MONTH.json(),
            "series": [{ "kind": "EventsNode", "event": "$pageview" }] }),
        read: |answer| {
            let series = &answer["results"][0];
            let days = list(&series["days"])?.iter().zip(list(&series["data"])?);
            Ok(numbers(days.map(|(day, value)| (word(day), value.as_f64()))))
        },
        floor: floor(MONTH, &["$pageview"], "timestamp, person_id"),
        text,
        json,
        most: (None, None),
    }
}

/// A number for each day and, if it is broken down, value.
fn read_days(answer: &Value) -> Result<Answer> {
    let mut found = Vec::new();
    for line in list(&answer["results"])? {
        let value = match &line["breakdown_value"] {
            Value::Null => String::new(),
            Value::String(none) if none == "$$_posthog_breakdown_null_$$" => "none\t".to_owned(),
            Value::Array(values) => format!("{}\t", values.iter().map(word).collect::<String>()),
            value => format!("{}\t", word(value)),
        };
        for (day, number) in list(&line["days"])?.iter().zip(list(&line["data"])?) {
            found.push((format!("{value}{}", word(day).get(..10).context("a day")?), number.as_f64()));
        }
    }
    Ok(numbers(found))
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("no list: {value}"))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Those that are not zero.
fn numbers(found: impl IntoIterator<Item = (String, Option<f64>)>) -> Answer {
    found
        .into_iter()
        .map(|(about, value)| (about, value.unwrap_or(f64::NAN)))
        .filter(|(_, value)| *value != 0.0)
        .collect()
}
