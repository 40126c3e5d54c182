//! Reading single events: pages of the explorer, one event, a person's events, what just arrived.
//!
//! A page is found in two steps. The first sorts only times and ids, inside a stretch of time that widens until the page
//! is full, so that the newest page of a million events reads the last hour of them. The second fetches the properties of
//! the fifty that were found, by their place in the sort key.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::days::{push_before, push_from, push_up_to};
use super::events_record::{EventRecord, RawEvent, Wanted, push_columns};
use super::filters::{push_group, push_traffic};
use super::group_events::push_of_group;
use super::{ChError, ClickHouse, Sql};
use crate::model::query::{PropertyGroup, Traffic};
use crate::model::{PersonId, ProjectId};

/// Which events to read. The default is all of a project.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Any of these names; all names if empty.
    pub names: Vec<String>,
    /// Any of these persons; an empty list matches nothing.
    pub persons: Option<Vec<PersonId>>,
    /// Of this group: the index of its type, and its key.
    pub group: Option<(i16, String)>,
    /// Conditions on properties.
    pub properties: PropertyGroup,
    /// Whose events.
    pub traffic: Traffic,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Whether these are one person's, which the index of persons finds: then they are read with their properties, and not
    /// looked for in ever longer stretches of time.
    pub is_narrow: bool,
}

/// A place in the list of events: newest first, and by uuid where times are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor {
    pub at: Timestamp,
    pub uuid: Uuid,
}

/// Which page of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventPage {
    #[default]
    Newest,
    /// The events that follow this place downwards.
    OlderThan(EventCursor),
    /// The events just above this place.
    NewerThan(EventCursor),
}

/// A page of events, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventSlice {
    pub events: Vec<EventRecord>,
    /// Whether more follow in the direction that was read.
    pub has_more: bool,
}

/// When events were first and last seen, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSpan {
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// How far a page looks before it looks further.
const STRETCHES: [SignedDuration; 4] = [
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(24 * 7),
    SignedDuration::from_hours(24 * 31),
];

/// What the first step knows of an event.
#[derive(Debug, Deserialize)]
struct Key {
    at_us: i64,
    uuid: Uuid,
    name: String,
    person_id: u64,
}

impl ClickHouse {
    /// One page of a project's events. `now` is where the widening look backwards starts.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn list_events(
        &self,
        project: ProjectId,
        filter: &EventFilter,
        wanted: &Wanted,
        page: EventPage,
        limit: usize,
        now: Timestamp,
    ) -> Result<EventSlice, ChError> {
        if filter.is_narrow {
            return self.list_narrow(project, filter, wanted, page, limit, now).await;
        }
        let mut keys = Vec::new();
        for (from, until) in stretches(filter, page, now) {
            let mut sql = Sql::new(
                "SELECT toUnixTimestamp64Micro(timestamp) AS at_us, uuid, toString(event) AS name, person_id\nFROM events\nWHERE ",
            );
            push_filter(&mut sql, project, filter);
            push_bounds(&mut sql, from, until);
            push_page(&mut sql, page, limit + 1 - keys.len());
            keys.append(&mut self.json_rows::<Key>(&sql).await?);
            if keys.len() > limit {
                break;
            }
        }
        let has_more = keys.len() > limit;
        keys.truncate(limit);
        if matches!(page, EventPage::NewerThan(_)) {
            keys.reverse();
        }
        Ok(EventSlice { events: self.events_of_keys(project, &keys, wanted).await?, has_more })
    }

    /// One page of few events, with their properties: of the nearest day, and if that is not enough, of all time.
    async fn list_narrow(
        &self,
        project: ProjectId,
        filter: &EventFilter,
        wanted: &Wanted,
        page: EventPage,
        limit: usize,
        now: Timestamp,
    ) -> Result<EventSlice, ChError> {
        let mut rows = Vec::new();
        for (from, until) in [nearest_day(filter, page, now), (None, None)] {
            let mut sql = Sql::new("SELECT ");
            push_columns(&mut sql, wanted);
            sql.push("\nFROM events\nWHERE ");
            push_filter(&mut sql, project, filter);
            push_bounds(&mut sql, from, until);
            push_page(&mut sql, page, limit + 1);
            rows = self.json_rows::<RawEvent>(&sql).await?;
            if rows.len() > limit {
                break;
            }
        }
        let has_more = rows.len() > limit;
        let mut events: Vec<EventRecord> = rows.into_iter().take(limit).map(EventRecord::from).collect();
        if matches!(page, EventPage::NewerThan(_)) {
            events.reverse();
        }
        Ok(EventSlice { events, has_more })
    }

    /// One event by its uuid. Its time, when known, spares a look through all of them.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn find_event(
        &self,
        project: ProjectId,
        uuid: Uuid,
        at: Option<Timestamp>,
    ) -> Result<Option<EventRecord>, ChError> {
        let mut sql = Sql::new("SELECT ");
        push_columns(&mut sql, &Wanted::Everything);
        sql.push("\nFROM events\nWHERE project_id = ").param("UInt32", project);
        sql.push("\n  AND uuid = ").param("UUID", uuid.to_string());
        if let Some(at) = at {
            push_from(&mut sql, at);
            push_up_to(&mut sql, at);
        }
        sql.push("\nLIMIT 1");
        Ok(self.json_rows::<RawEvent>(&sql).await?.into_iter().next().map(EventRecord::from))
    }

    /// Events received after a moment, the latest received first: what a live page polls. Reads only the granules that
    /// hold such events.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn list_received_events(
        &self,
        project: ProjectId,
        after: Timestamp,
        traffic: Traffic,
        wanted: &Wanted,
        limit: usize,
    ) -> Result<Vec<EventRecord>, ChError> {
        let mut sql = Sql::new(
            "SELECT toUnixTimestamp64Micro(timestamp) AS at_us, uuid, toString(event) AS name, person_id\nFROM events\nWHERE project_id = ",
        );
        push_received_after(&mut sql, project, after, traffic);
        sql.push("\nORDER BY received_at DESC, timestamp DESC, uuid\nLIMIT ").param("UInt64", limit as u64);
        let keys = self.json_rows::<Key>(&sql).await?;
        self.events_of_keys(project, &keys, wanted).await
    }

    /// How many events were received after a moment.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn count_received_events(
        &self,
        project: ProjectId,
        after: Timestamp,
        traffic: Traffic,
    ) -> Result<u64, ChError> {
        #[derive(Deserialize)]
        struct Count {
            n: u64,
        }
        let mut sql = Sql::new("SELECT count() AS n\nFROM events\nWHERE project_id = ");
        push_received_after(&mut sql, project, after, traffic);
        Ok(self.json_rows::<Count>(&sql).await?.first().map_or(0, |row| row.n))
    }

    /// When these persons were first and last seen; nothing if they have no events.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses the statement.
    pub async fn find_event_span(
        &self,
        project: ProjectId,
        persons: &[PersonId],
    ) -> Result<Option<EventSpan>, ChError> {
        #[derive(Deserialize)]
        struct Span {
            n: u64,
            first_us: i64,
            last_us: i64,
        }
        let mut sql = Sql::new(
            "SELECT count() AS n, toUnixTimestamp64Micro(min(timestamp)) AS first_us, toUnixTimestamp64Micro(max(timestamp)) AS last_us\nFROM events\nWHERE project_id = ",
        );
        sql.param("UInt32", project).push("\n  AND person_id IN ").param("Array(UInt64)", numbers(persons));
        let found = self.json_rows::<Span>(&sql).await?.pop().filter(|span| span.n > 0);
        Ok(found.map(|span| EventSpan { count: span.n, first: micros(span.first_us), last: micros(span.last_us) }))
    }

    /// The events with these keys, in the order of the keys.
    async fn events_of_keys(
        &self,
        project: ProjectId,
        keys: &[Key],
        wanted: &Wanted,
    ) -> Result<Vec<EventRecord>, ChError> {
        let (Some(first), Some(last)) =
            (keys.iter().map(|key| key.at_us).min(), keys.iter().map(|key| key.at_us).max())
        else {
            return Ok(Vec::new());
        };
        let mut names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
        let mut persons: Vec<u64> = keys.iter().map(|key| key.person_id).collect();
        names.sort_unstable();
        names.dedup();
        persons.sort_unstable();
        persons.dedup();
        let mut sql = Sql::new("SELECT ");
        push_columns(&mut sql, wanted);
        sql.push("\nFROM events\nWHERE project_id = ").param("UInt32", project);
        sql.push("\n  AND event IN ").param("Array(String)", names);
        push_from(&mut sql, micros(first));
        push_up_to(&mut sql, micros(last));
        sql.push("\n  AND person_id IN ").param("Array(UInt64)", persons);
        sql.push("\n  AND uuid IN ").param("Array(UUID)", keys.iter().map(|k| k.uuid.to_string()).collect::<Vec<_>>());
        let mut rows: HashMap<Uuid, EventRecord> = self
            .json_rows::<RawEvent>(&sql)
            .await?
            .into_iter()
            .map(EventRecord::from)
            .map(|event| (event.uuid, event))
            .collect();
        Ok(keys.iter().filter_map(|key| rows.remove(&key.uuid)).collect())
    }

    /// The rows of an answer, each read from a line of JSON.
    pub(super) async fn json_rows<T: DeserializeOwned>(&self, sql: &Sql) -> Result<Vec<T>, ChError> {
        let query = self
            .ask(sql)
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("output_format_json_quote_64bit_floats", "0")
            .with_setting("output_format_json_named_tuples_as_objects", "1");
        let answer = query.fetch_bytes("JSONEachRow")?.collect().await?;
        answer
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).map_err(|error| ChError::Custom(error.to_string())))
            .collect()
    }
}

/// The stretches of time in which a page is looked for, nearest first: they meet without overlap and together cover all.
/// Each is (from, before); the filter's own bounds are not in them.
pub(super) fn stretches(
    filter: &EventFilter,
    page: EventPage,
    now: Timestamp,
) -> Vec<(Option<Timestamp>, Option<Timestamp>)> {
    let upwards = matches!(page, EventPage::NewerThan(_));
    let start = match page {
        EventPage::Newest => filter.until.unwrap_or(now),
        EventPage::OlderThan(cursor) | EventPage::NewerThan(cursor) => cursor.at,
    };
    let edges = STRETCHES.iter().filter_map(|stretch| {
        let step = if upwards { *stretch } else { -*stretch };
        start.checked_add(step).ok()
    });
    let mut edges: Vec<Option<Timestamp>> = edges.map(Some).collect();
    edges.insert(0, None);
    edges.push(None);
    let pairs = edges.windows(2).map(|pair| if upwards { (pair[0], pair[1]) } else { (pair[1], pair[0]) });
    // A stretch that lies beyond the filter's bounds can hold nothing.
    pairs
        .filter(|(from, until)| {
            let too_late = matches!((from, filter.until), (Some(from), Some(end)) if *from >= end);
            let too_early = matches!((until, filter.from), (Some(until), Some(start)) if *until <= start);
            !too_late && !too_early
        })
        .collect()
}

/// The day that a page begins with, seen from where it starts, as (from, before).
fn nearest_day(filter: &EventFilter, page: EventPage, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    let day = SignedDuration::from_hours(24);
    match page {
        EventPage::Newest => (filter.until.unwrap_or(now).checked_sub(day).ok(), None),
        EventPage::OlderThan(cursor) => (cursor.at.checked_sub(day).ok(), None),
        EventPage::NewerThan(cursor) => (None, cursor.at.checked_add(day).ok()),
    }
}

fn push_filter(sql: &mut Sql, project: ProjectId, filter: &EventFilter) {
    sql.push("project_id = ").param("UInt32", project);
    if !filter.names.is_empty() {
        sql.push("\n  AND event IN ").param("Array(String)", filter.names.clone());
    }
    if let Some(persons) = &filter.persons {
        sql.push("\n  AND person_id IN ").param("Array(UInt64)", numbers(persons));
    }
    if let Some((index, key)) = &filter.group {
        push_of_group(sql.push("\n  AND "), *index, key);
    }
    push_traffic(sql, filter.traffic);
    push_group(sql, &filter.properties);
    push_bounds(sql, filter.from, filter.until);
}

fn push_bounds(sql: &mut Sql, from: Option<Timestamp>, until: Option<Timestamp>) {
    if let Some(from) = from {
        push_from(sql, from);
    }
    if let Some(until) = until {
        push_before(sql, until);
    }
}

fn push_page(sql: &mut Sql, page: EventPage, limit: usize) {
    match page {
        EventPage::Newest => {}
        EventPage::OlderThan(cursor) => {
            push_up_to(sql, cursor.at);
            push_moment(sql.push("\n  AND (timestamp < "), cursor.at);
            sql.push(" OR uuid > ").param("UUID", cursor.uuid.to_string()).push(")");
        }
        EventPage::NewerThan(cursor) => {
            push_from(sql, cursor.at);
            push_moment(sql.push("\n  AND (timestamp > "), cursor.at);
            sql.push(" OR uuid < ").param("UUID", cursor.uuid.to_string()).push(")");
        }
    }
    sql.push(match page {
        EventPage::NewerThan(_) => "\nORDER BY timestamp, uuid DESC\nLIMIT ",
        EventPage::Newest | EventPage::OlderThan(_) => "\nORDER BY timestamp DESC, uuid\nLIMIT ",
    });
    sql.param("UInt64", limit as u64);
}

fn push_received_after(sql: &mut Sql, project: ProjectId, after: Timestamp, traffic: Traffic) {
    sql.param("UInt32", project);
    sql.push("\n  AND received_at > fromUnixTimestamp64Milli(").param("Int64", after.as_millisecond()).push(", 'UTC')");
    push_traffic(sql, traffic);
}

pub(super) fn push_moment(sql: &mut Sql, at: Timestamp) {
    sql.push("fromUnixTimestamp64Micro(").param("Int64", at.as_microsecond()).push(", 'UTC')");
}

pub(super) fn numbers(persons: &[PersonId]) -> Vec<u64> {
    persons.iter().map(|person| person.get()).collect()
}

/// A time of ClickHouse, which keeps microseconds of the years 1900 to 2299.
pub(super) fn micros(at: i64) -> Timestamp {
    Timestamp::from_microsecond(at).expect("ClickHouse keeps no time beyond the year 2299")
}

#[cfg(test)]
#[path = "events_read_tests.rs"]
mod tests;
