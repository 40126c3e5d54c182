//! Tables and their columns. **The one place that prints a table's name**, each with its project.

use super::super::Sql;
use super::super::merges::merges_sql;
use super::super::sessions_sql::{SessionScope, sessions_sql};
use super::cohort_tables::{
    person_number_column, print_person_numbers, print_static_cohort_members, static_cohort_member_column,
};
use super::compile::QueryScope;
use super::group_tables::{group_column, group_index, group_of_event_column, print_groups, push_group_of_event};
use super::json::{JsonColumn, property, whole};
use super::value::{Stored, Ty, Value};
use crate::model::PersonId;

/// A table of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Events,
    Persons,
    DistinctIds,
    RawDistinctIds,
    Sessions,
    Groups,
    /// Under which numbers the events of people with a profile stand.
    PersonNumbers,
    /// Who was put into static cohorts.
    StaticCohortMembers,
}

/// Tables by their names.
pub(super) const TABLES: &[(&str, Table)] = &[
    ("events", Table::Events),
    ("persons", Table::Persons),
    ("person_distinct_ids", Table::DistinctIds),
    ("raw_person_distinct_ids", Table::RawDistinctIds),
    ("sessions", Table::Sessions),
    ("groups", Table::Groups),
    ("person_numbers", Table::PersonNumbers),
    ("static_cohort_members", Table::StaticCohortMembers),
];

/// What a table must be joined with inside to give the columns that are read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needs {
    person: bool,
    person_now: bool,
    session: bool,
    /// The group of each type that an event belongs to.
    groups: [bool; 5],
}

/// Columns of a session in the language, as [`sessions_sql`] names them, and what they are.
const SESSION_COLUMNS: &[(&str, &str, Ty)] = &[
    ("session_id", "session_id", Ty::Text),
    ("id", "session_id", Ty::Text),
    ("distinct_id", "distinct_id", Ty::Text),
    ("$start_timestamp", "start_at", Ty::Moment),
    ("$end_timestamp", "end_at", Ty::Moment),
    ("$session_duration", "duration", Ty::Whole),
    ("duration", "duration", Ty::Whole),
    ("$is_bounce", "is_bounce", Ty::Flag),
    ("$event_count", "event_count", Ty::Whole),
    ("$pageview_count", "pageview_count", Ty::Whole),
    ("$screen_count", "screen_count", Ty::Whole),
    ("$autocapture_count", "autocapture_count", Ty::Whole),
    ("$num_uniq_urls", "unique_url_count", Ty::Whole),
    ("$entry_current_url", "entry_url", Ty::Text),
    ("$entry_pathname", "entry_pathname", Ty::Text),
    ("$entry_hostname", "entry_host", Ty::Text),
    ("$entry_title", "entry_title", Ty::Text),
    ("$entry_screen_name", "entry_screen", Ty::Text),
    ("$entry_referrer", "referrer", Ty::Text),
    ("$entry_referring_domain", "referring_domain", Ty::Text),
    ("$entry_utm_source", "utm_source", Ty::Text),
    ("$entry_utm_medium", "utm_medium", Ty::Text),
    ("$entry_utm_campaign", "utm_campaign", Ty::Text),
    ("$entry_utm_content", "utm_content", Ty::Text),
    ("$entry_utm_term", "utm_term", Ty::Text),
    ("$channel_type", "channel_type", Ty::Text),
    ("$exit_current_url", "exit_url", Ty::Text),
    ("$end_current_url", "exit_url", Ty::Text),
    ("$exit_pathname", "exit_pathname", Ty::Text),
    ("$end_pathname", "exit_pathname", Ty::Text),
    ("$end_hostname", "exit_host", Ty::Text),
    ("$exit_screen_name", "exit_screen", Ty::Text),
];

/// Columns that are never null.
const NEVER_NULL: &[&str] = &[
    "session_id",
    "distinct_id",
    "start_at",
    "end_at",
    "duration",
    "event_count",
    "pageview_count",
    "screen_count",
    "autocapture_count",
    "unique_url_count",
];

impl Table {
    /// What `*` means here.
    pub fn star(self) -> Vec<&'static str> {
        match self {
            Self::Events => {
                vec![
                    "uuid",
                    "event",
                    "properties",
                    "timestamp",
                    "distinct_id",
                    "elements_chain",
                    "created_at",
                    "person_id",
                ]
            }
            Self::Persons => vec!["id", "created_at", "properties", "is_identified"],
            Self::DistinctIds => vec!["distinct_id", "person_id"],
            Self::RawDistinctIds => vec!["distinct_id", "person_id", "version", "is_deleted"],
            Self::Groups => vec!["index", "key", "created_at", "properties"],
            Self::PersonNumbers => vec!["stored", "number"],
            Self::StaticCohortMembers => vec!["cohort_id", "stored"],
            Self::Sessions => {
                SESSION_COLUMNS.iter().map(|(name, ..)| *name).filter(|n| *n != "id" && *n != "duration").collect()
            }
        }
    }

    /// A column by its path, as it is written inside the table's own statement; `None` if there is none.
    pub fn column(self, steps: &[String], scope: &QueryScope<'_>, needs: &mut Needs) -> Option<Value> {
        let names: Vec<&str> = steps.iter().map(String::as_str).collect();
        match self {
            Self::Events => event_column(&names, steps, scope, needs),
            Self::Persons => {
                needs.person_now = true;
                match (names.as_slice(), scope.behind.and_then(|behind| behind.said)) {
                    (["actor_id"], _) => person_column(&["id"], steps, scope),
                    ([name], Some(said)) if *name == said.name => {
                        value("behind.said", if said.is_list { Ty::List } else { Ty::Whole }, false)
                    }
                    _ => person_column(&names, steps, scope),
                }
            }
            Self::DistinctIds | Self::RawDistinctIds => distinct_id_column(&names, steps, scope, needs),
            Self::Sessions => session_column(&names),
            Self::Groups => group_column(&names, steps, scope),
            Self::PersonNumbers => person_number_column(&names),
            Self::StaticCohortMembers => static_cohort_member_column(&names),
        }
    }

    /// The table's statement: these columns, each under the name `c` and its place.
    pub fn print(self, columns: &[Value], scope: &QueryScope<'_>, needs: Needs) -> Sql {
        let mut sql = Sql::new("SELECT ");
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                sql.push(", ");
            }
            sql.append(&column.sql).push(" AS ").name("c", at);
        }
        if columns.is_empty() {
            sql.push("1 AS c0");
        }
        match self {
            Self::Events => print_events(&mut sql, scope, needs),
            Self::Persons => {
                sql.push(" FROM ").append(&persons_now(scope));
                push_only_people(&mut sql, scope);
            }
            Self::DistinctIds | Self::RawDistinctIds => print_distinct_ids(&mut sql, self, scope, needs),
            Self::Sessions => {
                sql.push(" FROM (").append(&sessions_sql(scope.project, &SessionScope::default())).push(") AS session");
            }
            Self::Groups => print_groups(&mut sql, scope),
            Self::PersonNumbers => print_person_numbers(&mut sql, scope),
            Self::StaticCohortMembers => print_static_cohort_members(&mut sql, scope),
        }
        sql
    }
}

pub(super) fn value(text: &'static str, ty: Ty, is_nullable: bool) -> Option<Value> {
    Some(Value::new(Sql::new(text), ty, is_nullable))
}

/// A time as it is stored; it is shown in the project's zone.
pub(super) fn moment(text: &'static str, is_nullable: bool) -> Option<Value> {
    let mut value = Value::new(Sql::new(text), Ty::Moment, is_nullable);
    value.stored = Some(Stored { sql: Sql::new(text), is_keyed_by_day: text == EVENT_TIME });
    Some(value)
}

/// Events are sorted by the day of this one.
const EVENT_TIME: &str = "events.timestamp";

fn event_column(names: &[&str], steps: &[String], scope: &QueryScope<'_>, needs: &mut Needs) -> Option<Value> {
    match names {
        ["event"] => value("events.event", Ty::Text, false),
        ["uuid"] => value("events.uuid", Ty::Uuid, false),
        ["distinct_id"] | ["pdi", "distinct_id"] => value("events.distinct_id", Ty::Text, false),
        ["timestamp"] => moment(EVENT_TIME, false),
        ["created_at"] => moment("events.received_at", false),
        ["elements_chain"] => value("ifNull(events.`$elements_chain`, '')", Ty::Text, false),
        ["elements_chain_href"] => value(
            r#"extract(ifNull(events.`$elements_chain`, ''), '(?::|\")href="((?:[^"\\\\]|\\\\.)*)"')"#,
            Ty::Text,
            false,
        ),
        ["elements_chain_texts"] => value(
            r#"arrayDistinct(extractAll(ifNull(events.`$elements_chain`, ''), '(?::|\")text="((?:[^"\\\\]|\\\\.)*)"'))"#,
            Ty::List,
            false,
        ),
        ["elements_chain_ids"] => value(
            r#"arrayDistinct(extractAll(ifNull(events.`$elements_chain`, ''), '(?::|\")attr_id="((?:[^"\\\\]|\\\\.)*)"'))"#,
            Ty::List,
            false,
        ),
        ["elements_chain_elements"] => value(
            "arrayDistinct(extractAll(ifNull(events.`$elements_chain`, ''), '(?:^|;)(a|button|form|input|select|textarea|label)(?:\\\\.|$|:)'))",
            Ty::List,
            false,
        ),
        ["$session_id"] => value("events.`$session_id`", Ty::Text, true),
        ["$window_id"] => value("events.`$window_id`", Ty::Text, true),
        ["$group_0"] => value("ifNull(events.`$group_0`, '')", Ty::Text, false),
        ["$group_1"] => value("ifNull(events.`$group_1`, '')", Ty::Text, false),
        ["$group_2"] => value("ifNull(events.`$group_2`, '')", Ty::Text, false),
        ["$group_3"] => value("ifNull(events.`$group_3`, '')", Ty::Text, false),
        ["$group_4"] => value("ifNull(events.`$group_4`, '')", Ty::Text, false),
        [group, ..] if names.len() > 1 && group_index(group).is_some() => {
            let index = group_index(group)?;
            needs.groups[index] = true;
            group_of_event_column(index, &names[1..], &steps[1..], scope)
        }
        ["properties"] => Some(whole(JsonColumn::Event)),
        ["properties", ..] => {
            let facts = (scope.event_property)(&steps[1]);
            Some(property(JsonColumn::Event, &steps[1..], facts, scope.zone))
        }
        ["person_id"] | ["person", "id"] | ["pdi", "person_id"] | ["pdi", "person", "id"] | ["poe", "id"] => {
            needs.person = true;
            needs.person_now = true;
            value(PERSON_UUID, Ty::Uuid, false)
        }
        ["person_number"] => {
            needs.person = true;
            value(PERSON_NUMBER, Ty::Whole, false)
        }
        ["stored_person_number"] => value("events.person_id", Ty::Whole, false),
        ["stored_quarter_hour"] => moment("toStartOfFifteenMinutes(events.timestamp)", false),
        ["is_bot"] => value("(ifNull(events.`$bot_class`, '') != '')", Ty::Flag, false),
        ["is_cookieless"] => {
            let mut sql = Sql::new("(events.person_id >= ");
            sql.param("UInt64", PersonId::FIRST_COOKIELESS.get()).push(")");
            Some(Value::new(sql, Ty::Flag, false))
        }
        ["person", "properties"] | ["poe", "properties"] | ["person_properties"] => {
            Some(whole(JsonColumn::PersonOfEvent))
        }
        ["person", "properties", ..] | ["poe", "properties", ..] => {
            let ty = (scope.person_type)(&steps[2]);
            Some(property(JsonColumn::PersonOfEvent, &steps[2..], ty.into(), scope.zone))
        }
        ["person", rest @ ..] | ["pdi", "person", rest @ ..] | ["poe", rest @ ..] if !rest.is_empty() => {
            needs.person = true;
            needs.person_now = true;
            let from = steps.len() - rest.len();
            person_column(rest, &steps[from..], scope)
        }
        ["session", rest @ ..] if !rest.is_empty() => {
            needs.session = true;
            session_column(rest)
        }
        [group, ..] if names.len() > 1 && scope.named.group_types.contains_key(*group) => {
            let index = *scope.named.group_types.get(*group)?;
            *needs.groups.get_mut(index)? = true;
            group_of_event_column(index, &names[1..], &steps[1..], scope)
        }
        _ => None,
    }
}

const PERSON_NUMBER: &str = "if(merge.from_id = 0, events.person_id, merge.into_id)";

/// Somebody without a profile has a number and no UUID: it is made of the number.
const PERSON_UUID: &str = "if(person_now.now_number = 0, toUUID(concat('00000000-0000-8000-', \
     substring(leftPad(lower(hex(if(merge.from_id = 0, events.person_id, merge.into_id))), 16, '0'), 1, 4), '-', \
     substring(leftPad(lower(hex(if(merge.from_id = 0, events.person_id, merge.into_id))), 16, '0'), 5))), person_now.now_uuid)";

fn person_column(names: &[&str], steps: &[String], scope: &QueryScope<'_>) -> Option<Value> {
    match names {
        ["id"] => value("person_now.now_uuid", Ty::Uuid, false),
        ["number"] => value("person_now.now_number", Ty::Whole, false),
        ["created_at"] => moment("person_now.now_created_at", false),
        ["is_identified"] => value("person_now.now_is_identified", Ty::Flag, false),
        ["$virt_initial_channel_type"] => value("person_now.now_channel", Ty::Text, false),
        ["$virt_initial_referring_domain_type"] => value("person_now.now_domain_type", Ty::Text, false),
        ["properties"] => Some(whole(JsonColumn::PersonNow)),
        ["properties", ..] => {
            let ty = (scope.person_type)(&steps[1]);
            Some(property(JsonColumn::PersonNow, &steps[1..], ty.into(), scope.zone))
        }
        _ => None,
    }
}

fn distinct_id_column(names: &[&str], steps: &[String], scope: &QueryScope<'_>, needs: &mut Needs) -> Option<Value> {
    match names {
        ["distinct_id"] => value("whose.distinct_id", Ty::Text, false),
        ["version"] => value("whose.version", Ty::Whole, false),
        ["is_deleted"] => value("toUInt8(whose.is_deleted)", Ty::Whole, false),
        ["person_id"] => {
            needs.person_now = true;
            value("person_now.now_uuid", Ty::Uuid, false)
        }
        ["person", rest @ ..] if !rest.is_empty() => {
            needs.person_now = true;
            person_column(rest, &steps[1..], scope)
        }
        _ => None,
    }
}

fn session_column(names: &[&str]) -> Option<Value> {
    let [name] = names else { return None };
    let (_, column, ty) = SESSION_COLUMNS.iter().find(|(known, ..)| known == name)?;
    let mut sql = Sql::new("session.");
    sql.push(column);
    let is_nullable = !NEVER_NULL.contains(column);
    let stored = (*ty == Ty::Moment).then(|| Stored { sql: sql.clone(), is_keyed_by_day: false });
    Some(Value { stored, ..Value::new(sql, *ty, is_nullable) })
}

/// People as they are now, as `person_now`.
fn persons_now(scope: &QueryScope<'_>) -> Sql {
    let mut sql = Sql::new(
        "(SELECT number AS now_number, uuid AS now_uuid, created_at AS now_created_at, is_identified AS \
             now_is_identified, initial_channel_type AS now_channel, \
             initial_referring_domain_type AS now_domain_type, properties AS now_properties FROM persons FINAL WHERE project_id = ",
    );
    sql.param("UInt32", scope.project).push(" AND NOT is_deleted) AS person_now");
    sql
}

/// ` WHERE …` for the people that a question is about, if not all.
fn push_only_people(sql: &mut Sql, scope: &QueryScope<'_>) {
    match scope.behind {
        Some(behind) if behind.group_index.is_some() => {}
        Some(behind) if behind.said.is_some() => {
            sql.push(" INNER JOIN (")
                .append(&behind.actors)
                .push(") AS behind ON behind.whole = person_now.now_number");
        }
        Some(behind) => drop(sql.push(" WHERE person_now.now_number IN (").append(&behind.actors).push(")")),
        None => {}
    }
}

fn print_events(sql: &mut Sql, scope: &QueryScope<'_>, needs: Needs) {
    sql.push(" FROM events");
    if needs.person {
        sql.push(" LEFT JOIN (").append(&merges_sql(scope.project));
        sql.push(") AS merge ON merge.from_id = events.person_id");
    }
    if needs.person_now {
        sql.push(" LEFT JOIN ").append(&persons_now(scope));
        sql.push(" ON person_now.now_number = if(merge.from_id = 0, events.person_id, merge.into_id)");
    }
    if needs.session {
        sql.push(" LEFT JOIN (").append(&sessions_sql(scope.project, &SessionScope::default()));
        sql.push(") AS session ON session.session_id = events.`$session_id`");
    }
    for index in (0..needs.groups.len()).filter(|index| needs.groups[*index]) {
        push_group_of_event(sql, index, scope);
    }
    sql.push(" WHERE events.project_id = ").param("UInt32", scope.project);
}

fn print_distinct_ids(sql: &mut Sql, table: Table, scope: &QueryScope<'_>, needs: Needs) {
    sql.push(
        " FROM (SELECT distinct_id, person, version, is_deleted FROM person_distinct_ids FINAL WHERE project_id = ",
    );
    sql.param("UInt32", scope.project);
    sql.push(if table == Table::DistinctIds { " AND NOT is_deleted) AS whose" } else { ") AS whose" });
    if needs.person_now {
        sql.push(" LEFT JOIN ").append(&persons_now(scope)).push(" ON person_now.now_number = whose.person");
    }
}
