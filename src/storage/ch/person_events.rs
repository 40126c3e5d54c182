//! What the events of one person say about them: where their properties came from, which groups they acted in.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::events_read::{micros, numbers, push_moment};
use super::filters::property_text;
use super::json_keys::original_key;
use super::{ChError, ClickHouse, EventSpan, Sql};
use crate::model::property_columns::PropertyColumn;
use crate::model::query::PropertyScope;
use crate::model::{PersonId, ProjectId};

/// How far back a person's groups are looked for.
pub const GROUPS_WITHIN: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Groups of one type that are found.
pub const MOST_GROUPS: usize = 20;
/// The columns of groups, by the index of their type.
pub(super) const GROUP_COLUMNS: [&str; 5] = ["`$group_0`", "`$group_1`", "`$group_2`", "`$group_3`", "`$group_4`"];

/// The events that change a person by their very name.
const PERSON_EVENTS: [&str; 5] = ["$identify", "$set", "$set_once", "$create_alias", "$merge_dangerously"];

/// How an event carried a person's property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carried {
    /// In `$set`: the last event that did.
    Set,
    /// In `$set_once`: the first event that did.
    SetOnce,
}

/// An event that carried a person's property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertySource {
    pub uuid: Uuid,
    pub event: String,
    pub at: Timestamp,
}

/// Which of a person's events to look at for what they asked to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// Those that change a person by their name: few, and soon read.
    PersonEvents,
    /// All others.
    OtherEvents,
}

/// An event's own property that was copied to the person.
#[derive(Debug, Clone, Copy)]
pub struct CopiedFrom {
    pub column: &'static PropertyColumn,
    /// The first event that had it, or the last.
    pub is_first: bool,
}

#[derive(Deserialize)]
struct SourceRow {
    uuid: Uuid,
    name: String,
    at_us: i64,
}

impl From<SourceRow> for PropertySource {
    fn from(row: SourceRow) -> Self {
        Self { uuid: row.uuid, event: row.name, at: micros(row.at_us) }
    }
}

impl ClickHouse {
    /// Which events asked to set which properties of a person: for each path the last `$set` and the first `$set_once`. A
    /// path is a key; inside an object, keys with dots between them. Dots inside a key look the same.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn list_set_properties(
        &self,
        project: ProjectId,
        persons: &[PersonId],
        by: SetBy,
    ) -> Result<Vec<(String, Carried, PropertySource)>, ChError> {
        #[derive(Deserialize)]
        struct Row {
            kind: String,
            stored: String,
            #[serde(flatten)]
            source: SourceRow,
        }
        let mut sql = Sql::new(
            "SELECT kind, stored, tupleElement(found, 1) AS uuid, tupleElement(found, 2) AS name, tupleElement(found, 3) AS at_us\n\
             FROM (\n  SELECT kind, stored, if(kind = '$set', argMax(event_of, place), argMin(event_of, place)) AS found\n  FROM (\n    \
             SELECT (uuid, toString(event), toUnixTimestamp64Micro(timestamp)) AS event_of, (timestamp, uuid) AS place,\n      \
             splitByChar('.', arrayJoin(arrayFilter(path -> startsWith(path, '$set.') OR startsWith(path, '$set_once.'), \
             JSONAllPaths(properties)))) AS steps, steps[1] AS kind, arrayStringConcat(arraySlice(steps, 2), '.') AS stored\n    \
             FROM events\n    WHERE ",
        );
        push_persons(&mut sql, project, persons);
        sql.push(match by {
            SetBy::PersonEvents => "\n      AND event IN ",
            SetBy::OtherEvents => "\n      AND event NOT IN ",
        });
        sql.param("Array(String)", PERSON_EVENTS.map(str::to_owned).to_vec());
        sql.push("\n  )\n  GROUP BY kind, stored\n)");
        let rows: Vec<Row> = self.json_rows(&sql).await?;
        let source = |row: Row| {
            let carried = if row.kind == "$set" { Carried::Set } else { Carried::SetOnce };
            (original_key(&row.stored.replace("%2E", ".")).into_owned(), carried, row.source.into())
        };
        Ok(rows.into_iter().map(source).collect())
    }

    /// For each of an event's own properties the first or the last event of a person that had it, in their order. Only with
    /// `in_tail` those events are found whose value did not fit the property's column; that takes longer.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn list_copied_properties(
        &self,
        project: ProjectId,
        persons: &[PersonId],
        copied: &[CopiedFrom],
        in_tail: bool,
    ) -> Result<Vec<Option<PropertySource>>, ChError> {
        #[derive(Deserialize)]
        struct Row {
            found: Vec<(Uuid, String, i64)>,
        }
        if copied.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new("SELECT [");
        for (at, from) in copied.iter().enumerate() {
            sql.push(if at > 0 { ",\n  " } else { "" }).push(if from.is_first { "argMinIf" } else { "argMaxIf" });
            sql.push("((uuid, toString(event), toUnixTimestamp64Micro(timestamp)), (timestamp, uuid), ");
            if in_tail {
                sql.append(&property_text(PropertyScope::Event, from.column.key)).push(" IS NOT NULL)");
            } else {
                sql.push("`").push(from.column.key).push("` IS NOT NULL)");
            }
        }
        sql.push("] AS found\nFROM events\nWHERE ");
        push_persons(&mut sql, project, persons);
        let rows: Vec<Row> = self.json_rows(&sql).await?;
        let source = |(uuid, event, at): (Uuid, String, i64)| {
            (!uuid.is_nil()).then(|| PropertySource { uuid, event, at: micros(at) })
        };
        Ok(rows.into_iter().flat_map(|row| row.found).map(source).collect())
    }

    /// When a person was first and last seen, and which groups of these types (by index) their events of the last 90 days
    /// name: type index and key, in the order of the types. One look at their events for both, which takes the longer the
    /// more days they were seen on.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn find_person_facts(
        &self,
        project: ProjectId,
        persons: &[PersonId],
        types: &[i16],
        now: Timestamp,
    ) -> Result<(Option<EventSpan>, Vec<(i16, String)>), ChError> {
        #[derive(Deserialize)]
        struct Row {
            n: u64,
            first_us: i64,
            last_us: i64,
            found: Vec<Vec<String>>,
        }
        let since = now.checked_sub(GROUPS_WITHIN).unwrap_or(now);
        let columns = types.iter().filter_map(|at| Some((*at, *GROUP_COLUMNS.get(usize::try_from(*at).ok()?)?)));
        let columns: Vec<(i16, &'static str)> = columns.collect();
        let mut sql = Sql::new("SELECT count() AS n, toUnixTimestamp64Micro(min(timestamp)) AS first_us,\n  ");
        sql.push("toUnixTimestamp64Micro(max(timestamp)) AS last_us,\n  [");
        for (at, (_, column)) in columns.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).push("arraySort(groupUniqArrayIf(").number(MOST_GROUPS as u64);
            push_moment(sql.push(")(").push(column).push(", timestamp >= "), since);
            sql.push("))");
        }
        sql.push("]::Array(Array(String)) AS found\nFROM events\nWHERE ");
        push_persons(&mut sql, project, persons);
        let Some(row) = self.json_rows::<Row>(&sql).await?.pop().filter(|row| row.n > 0) else {
            return Ok((None, Vec::new()));
        };
        let span = EventSpan { count: row.n, first: micros(row.first_us), last: micros(row.last_us) };
        let groups = columns.iter().zip(row.found);
        let groups = groups.flat_map(|((index, _), keys)| keys.into_iter().map(move |key| (*index, key)));
        Ok((Some(span), groups.filter(|(_, key)| !key.is_empty()).collect()))
    }
}

fn push_persons(sql: &mut Sql, project: ProjectId, persons: &[PersonId]) {
    sql.push("project_id = ").param("UInt32", project);
    sql.push("\n      AND person_id IN ").param("Array(UInt64)", numbers(persons));
}
