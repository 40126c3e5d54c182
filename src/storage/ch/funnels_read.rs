//! People with their events, as they come from the store.

use std::collections::HashMap;

use clickhouse::{RowOwned, RowRead};

use super::answer::Cost;
use super::funnels::{FullRow, FunnelSql, FunnelValues, PackedRow};
use super::{ChError, ClickHouse};

/// After so many people, others who wait for this thread get their turn.
const PEOPLE_AT_ONCE: usize = 256;

/// What one event is to a funnel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunnelEvent {
    /// Microseconds since the range began, from 1 on; 0 is before it.
    pub time: u64,
    pub marks: u64,
    /// Of a breakdown; empty unless each event brings its own.
    pub value: String,
}

/// One person, whole after merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelPerson {
    /// Their number; 0 if not people are counted.
    pub number: u64,
    /// When and what the first or last value of a breakdown was; time 0 if there was none.
    pub touch: (u64, String),
    /// In order.
    pub events: Vec<FunnelEvent>,
}

impl ClickHouse {
    /// Hands out everybody, each once.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn funnel_people(
        &self,
        sql: &FunnelSql,
        values: FunnelValues,
        mut each: impl FnMut(FunnelPerson) + Send,
    ) -> Result<Cost, ChError> {
        let mut shared = HashMap::new();
        let cost = match sql.shift {
            Some(shift) => {
                let below = (1 << shift) - 1;
                self.funnel_rows(sql, |mut row: PackedRow| {
                    // Sorted while they are one number each.
                    row.events.sort_unstable();
                    let events = row.events.into_iter().map(|packed| FunnelEvent {
                        time: packed >> shift,
                        marks: packed & below,
                        value: String::new(),
                    });
                    let person =
                        FunnelPerson { number: row.person, touch: (row.touch_at, row.touch), events: events.collect() };
                    give(person, row.is_shared, values, &mut shared, &mut each);
                })
                .await?
            }
            None => {
                self.funnel_rows(sql, |row: FullRow| {
                    let events = row.events.into_iter().map(|(time, marks, value)| FunnelEvent { time, marks, value });
                    let person =
                        FunnelPerson { number: row.person, touch: (row.touch_at, row.touch), events: events.collect() };
                    give(person, row.is_shared, values, &mut shared, &mut each);
                })
                .await?
            }
        };
        for (_, mut person) in shared {
            person.events.sort_unstable();
            each(person);
        }
        Ok(cost)
    }

    async fn funnel_rows<T: RowOwned + RowRead>(
        &self,
        sql: &FunnelSql,
        mut each: impl FnMut(T) + Send,
    ) -> Result<Cost, ChError> {
        let started = std::time::Instant::now();
        let mut cursor = self.ask(&sql.sql).with_setting("wait_end_of_query", "1").fetch::<T>()?;
        let mut seen = 0_usize;
        while let Some(row) = cursor.next().await? {
            each(row);
            seen += 1;
            if seen.is_multiple_of(PEOPLE_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
        let summary = cursor.summary();
        Ok(Cost {
            rows_read: summary.and_then(|s| s.read_rows()),
            bytes_read: summary.and_then(|s| s.read_bytes()),
            elapsed: started.elapsed(),
        })
    }
}

/// Gives somebody out, or keeps them until all their parts have come.
fn give(
    mut person: FunnelPerson,
    is_shared: bool,
    values: FunnelValues,
    shared: &mut HashMap<u64, FunnelPerson>,
    each: &mut impl FnMut(FunnelPerson),
) {
    if !is_shared {
        person.events.sort_unstable();
        each(person);
        return;
    }
    match shared.entry(person.number) {
        std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(person)),
        std::collections::hash_map::Entry::Occupied(mut place) => {
            let whole = place.get_mut();
            let is_touched = match values {
                FunnelValues::Last => person.touch.0 > whole.touch.0,
                _ => person.touch.0 > 0 && (whole.touch.0 == 0 || person.touch.0 < whole.touch.0),
            };
            if is_touched {
                whole.touch = person.touch;
            }
            whole.events.append(&mut person.events);
        }
    }
}
