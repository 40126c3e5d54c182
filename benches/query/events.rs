//! The events: made by the engine itself from their numbers and a seed, so that the same come out anywhere.
//!
//! Ten events after one another are a visit of one person. People differ: a few come every day, most hardly ever. Of a hundred
//! people 40 are identified and 5 have become another one (an id without a profile that was identified); of a hundred events 2
//! come late, by up to three days. Each has 33 usual properties and one of 40 rare ones.

use tenrec::model::property_columns::{ColumnKind, find};

/// Which events there are.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub events: u64,
    pub seed: u64,
}

/// The rare property that is asked for.
pub const RARE: &str = "feature_33";
/// Microseconds since 1970: 2026-09-04, three days after a month begins, and how long events come, to 2026-10-31.
const FIRST_MS: u64 = 1_788_480_000_000;
const SPAN_MS: u64 = 57 * 86_400_000;

/// What happens, as often as it stands here.
const NAMES: &str = "['$pageview', '$pageview', '$pageview', '$pageview', '$pageview', '$autocapture', '$autocapture', \
                     '$autocapture', '$pageleave', 'signup_started', 'signup_completed', 'project_created', \
                     'file_uploaded', 'report_viewed', 'invite_sent', 'plan_viewed', 'plan_upgraded']";

/// A value of the JSON that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
}

/// A usual property: its key, its kind, and its value as an expression over the columns of [`World::rows`].
const PROPERTIES: &[(&str, Kind, &str)] = &[
    ("$browser", Kind::Text, "['Chrome', 'Chrome', 'Chrome', 'Safari', 'Firefox', 'Edge'][1 + of_person % 6]"),
    ("$browser_language", Kind::Text, "['en-US', 'de-DE', 'fr-FR', 'en-GB'][1 + bitShiftRight(of_person, 4) % 4]"),
    ("$browser_version", Kind::Number, "120 + bitShiftRight(of_person, 6) % 12"),
    ("$current_url", Kind::Text, "concat('https://app.example.com', page, '?ref=nav')"),
    ("$device_id", Kind::Text, "distinct_id"),
    ("$device_type", Kind::Text, "['Desktop', 'Desktop', 'Mobile', 'Tablet'][1 + bitShiftRight(of_person, 8) % 4]"),
    ("$geoip_city_name", Kind::Text, "concat('City ', toString(bitShiftRight(of_person, 10) % 500))"),
    (
        "$geoip_country_code",
        Kind::Text,
        "['US', 'DE', 'GB', 'FR', 'IN', 'BR', 'JP', 'CA'][1 + bitShiftRight(of_person, 12) % 8]",
    ),
    ("$host", Kind::Text, "'app.example.com'"),
    ("$insert_id", Kind::Text, "lower(hex(cityHash64(of_event, 1)))"),
    ("$is_identified", Kind::Flag, "is_identified"),
    ("$lib", Kind::Text, "'web'"),
    ("$lib_version", Kind::Text, "['1.449.2', '1.448.0', '1.440.1'][1 + bitShiftRight(of_person, 14) % 3]"),
    ("$os", Kind::Text, "['Mac OS X', 'Windows', 'Linux', 'iOS', 'Android'][1 + bitShiftRight(of_person, 16) % 5]"),
    ("$os_version", Kind::Text, "['10.15.7', '11', '17.4', '14'][1 + bitShiftRight(of_person, 18) % 4]"),
    ("$pageview_id", Kind::Text, "toString(reinterpretAsUUID(sipHash128(of_event, 2)))"),
    ("$pathname", Kind::Text, "page"),
    ("$process_person_profile", Kind::Flag, "is_identified"),
    (
        "$raw_user_agent",
        Kind::Text,
        "concat('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/', \
         toString(120 + bitShiftRight(of_person, 6) % 12), '.0.0.0 Safari/537.36')",
    ),
    ("$referrer", Kind::Text, "['https://www.google.com/', '$direct'][1 + bitShiftRight(of_person, 20) % 2]"),
    ("$referring_domain", Kind::Text, "['www.google.com', '$direct'][1 + bitShiftRight(of_person, 20) % 2]"),
    ("$screen_height", Kind::Number, "[1117, 1080, 844, 1440][1 + bitShiftRight(of_person, 22) % 4]"),
    ("$screen_width", Kind::Number, "[1728, 1920, 390, 2560][1 + bitShiftRight(of_person, 22) % 4]"),
    ("$session_id", Kind::Text, "toString(reinterpretAsUUID(sipHash128(visit, 3)))"),
    ("$time", Kind::Number, "at_ms / 1000"),
    (
        "$timezone",
        Kind::Text,
        "['Europe/Berlin', 'America/New_York', 'Asia/Kolkata'][1 + bitShiftRight(of_person, 24) % 3]",
    ),
    ("$viewport_height", Kind::Number, "600 + bitShiftRight(of_person, 26) % 600"),
    ("$viewport_width", Kind::Number, "[1728, 1920, 390, 2560][1 + bitShiftRight(of_person, 22) % 4]"),
    ("$window_id", Kind::Text, "toString(reinterpretAsUUID(sipHash128(visit, 4)))"),
    ("cart_value", Kind::Number, "of_event % 30000 / 100"),
    ("plan", Kind::Text, "['free', 'free', 'free', 'pro', 'team', 'enterprise'][1 + bitShiftRight(of_person, 28) % 6]"),
    ("utm_campaign", Kind::Text, "['autumn', 'summer', 'launch'][1 + bitShiftRight(of_person, 30) % 3]"),
    ("utm_source", Kind::Text, "['newsletter', 'google', 'x'][1 + bitShiftRight(of_person, 32) % 3]"),
];

/// What is known of an identified person now, as JSON.
const PERSON: &str = "concat('{\"email\":\"user', toString(person), '@example.com\",\"company\":\"Company ', \
                      toString(bitShiftRight(of_person, 34) % 20000), '\",\"$initial_utm_source\":\"newsletter\",\
                      \"$initial_pathname\":\"/\"}')";

impl World {
    /// How many people there are, before some become others.
    pub fn people(&self) -> u64 {
        (self.events / 12).max(1_000)
    }

    /// The rows of these events, as a statement: `name`, `at`, `arrived`, `person` (their number, from 0 on) and all that
    /// properties are made of.
    pub fn rows(&self, from: u64, many: u64) -> String {
        let Self { events, seed } = self;
        let people = self.people();
        format!(
            "SELECT *, {} FROM (\n\
             SELECT number, intDiv(number, 10) AS visit, cityHash64({seed}, number) AS of_event,\n\
             toUInt64(pow(cityHash64({seed}, visit, 'who') % 1000003 / 1000003, 2) * {people}) AS person,\n\
             cityHash64({seed}, person, 'person') AS of_person,\n\
             {NAMES}[1 + of_event % 17] AS name,\n\
             concat('/app/', toString(toUInt64(pow(cityHash64(of_event, 'page') % 1000003 / 1000003, 3) * 400))) AS page,\n\
             {FIRST_MS} + toUInt64(visit * 10 * ({SPAN_MS} / {events})) + number % 10 * 40000 + of_event % 30000 AS arrived_ms,\n\
             arrived_ms - if(cityHash64(of_event, 'late') % 50 = 0, cityHash64(of_event, 'by') % 259200000, 0) AS at_ms,\n\
             fromUnixTimestamp64Milli(toInt64(at_ms), 'UTC') AS at, fromUnixTimestamp64Milli(toInt64(arrived_ms), 'UTC') AS arrived\n\
             FROM numbers({from}, {many}))",
            self.person_columns()
        )
    }

    /// What follows from the number of a `person`.
    fn person_columns(&self) -> String {
        let seed = self.seed;
        format!(
            "person % 5 IN (1, 3) AS is_identified, {} AS person_number, {} AS person_uuid,\n\
             toString(reinterpretAsUUID(sipHash128({seed}, person, 'id'))) AS distinct_id",
            self.number_of("person"),
            self.uuid_of("person"),
        )
    }

    /// The number that stands on our events: dense for who is identified, else a hash with the top bit set.
    fn number_of(&self, person: &str) -> String {
        let hash =
            format!("bitOr(bitShiftLeft(toUInt64(1), 63), bitShiftRight(cityHash64({}, {person}), 2))", self.seed);
        format!("if({person} % 5 IN (1, 3), toUInt64(1 + {person}), {hash})")
    }

    fn uuid_of(&self, person: &str) -> String {
        format!("reinterpretAsUUID(sipHash128({}, {person}, 'uuid'))", self.seed)
    }

    /// Those who have become the next one, as a statement: their `distinct_id`, and both people's numbers and uuids.
    pub fn merges(&self) -> String {
        let (number, next) = (self.number_of("person"), self.number_of("(person + 1)"));
        format!(
            "SELECT distinct_id, {number} AS from_number, {next} AS into_number, {} AS into_uuid FROM (\n\
             SELECT *, {} FROM (SELECT number AS person FROM numbers({})) WHERE person % 20 = 7)",
            self.uuid_of("(person + 1)"),
            self.person_columns(),
            self.people()
        )
    }

    /// Identified people, as a statement.
    pub fn identified(&self) -> String {
        format!(
            "SELECT *, {PERSON} AS known FROM (SELECT *, cityHash64({}, person, 'person') AS of_person, {} FROM (\n\
             SELECT number AS person FROM numbers({}))) WHERE is_identified",
            self.seed,
            self.person_columns(),
            self.people() + 1
        )
    }

    /// The properties of the first event, with the rare one, as a statement: a project learns from them what it has.
    pub fn sample(&self) -> String {
        format!(
            "SELECT jsonMergePatch({}, '{{\"{RARE}\":\"on\"}}') FROM ({}) FORMAT TSVRaw",
            json(PROPERTIES.iter()),
            self.rows(0, 1)
        )
    }

    /// The statement that puts these events into our own table, as the pipeline does.
    pub fn insert_of_ours(&self, from: u64, many: u64) -> String {
        let (mut columns, mut values) = (String::new(), String::new());
        for (key, _, value) in PROPERTIES {
            let Some(column) = find(key) else { continue };
            let value = match column.kind {
                ColumnKind::WordOrNumber => format!("toString({value})"),
                _ => (*value).to_owned(),
            };
            columns.push_str(&format!(", `{key}`"));
            values.push_str(&format!(",\n{value}"));
        }
        let tail = json(PROPERTIES.iter().filter(|(key, ..)| find(key).is_none()));
        format!(
            "INSERT INTO events (project_id, event, timestamp, person_id, uuid, distinct_id, received_at, inserted_by, \
             properties_json{columns})\n\
             SELECT 1, name, at, person_number, reinterpretAsUUID(sipHash128({}, number)), distinct_id, arrived, {from},\n\
             {tail}{values}\nFROM ({})",
            self.seed,
            self.rows(from, many)
        )
    }
}

/// All properties of an event as JSON text, as it was sent.
pub fn whole_json() -> String {
    json(PROPERTIES.iter())
}

fn json<'a>(properties: impl Iterator<Item = &'a (&'static str, Kind, &'static str)>) -> String {
    let mut sql = "concat('{".to_owned();
    for (key, kind, value) in properties {
        match kind {
            Kind::Text => sql.push_str(&format!("\"{key}\":\"', {value}, '\",")),
            Kind::Number => sql.push_str(&format!("\"{key}\":', toString({value}), ',")),
            Kind::Flag => sql.push_str(&format!("\"{key}\":', if({value}, 'true', 'false'), ',")),
        }
    }
    sql.push_str("\"feature_', toString(cityHash64(of_event, 'feature') % 40), '\":\"on\"}')");
    sql
}
