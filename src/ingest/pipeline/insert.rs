//! Resolved events as rows.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::fence::Fence;
use crate::identity::Resolved;
use crate::ingest::AcceptedEvent;
use crate::model::Properties;
use crate::storage::ch::{ChError, ClickHouse, EventBlock, EventRow, event_blocks};
use crate::storage::pg::PgError;

/// Each insert has a name of its own, also after a restart.
static INSERTS: AtomicU64 = AtomicU64::new(0);

/// How the names of a batch's inserts start.
fn name_of(batch: u64) -> String {
    format!("tenrec-{batch:016x}-")
}

/// Why not everything was inserted.
#[derive(Debug)]
pub(super) enum InsertError {
    /// Another instance may be storing.
    Turn(PgError),
    ClickHouse(ChError),
}

/// Events that belong to somebody as rows, month by month.
pub(super) fn blocks(batch: u64, events: &[(&AcceptedEvent, &Resolved)]) -> Vec<EventBlock> {
    let properties: Vec<_> = events.iter().map(|(event, resolved)| properties_to_store(event, resolved)).collect();
    let rows = events.iter().zip(&properties).filter_map(|((event, resolved), properties)| {
        let Resolved::Person { id, properties: person_properties, .. } = resolved else { return None };
        Some(EventRow {
            project_id: event.project_id,
            event: &event.event,
            timestamp: event.timestamp,
            person_id: *id,
            uuid: event.uuid,
            distinct_id: &event.distinct_id,
            received_at: event.received_at,
            inserted_by: batch,
            properties,
            person_properties: person_properties.as_deref(),
        })
    });
    event_blocks(rows)
}

/// Inserts a batch's rows.
pub(super) async fn insert(
    fence: &mut Fence,
    clickhouse: &ClickHouse,
    batch: u64,
    blocks: &[EventBlock],
) -> Result<(), InsertError> {
    for block in blocks {
        let name = format!("{}{}-{:08x}", name_of(batch), INSERTS.fetch_add(1, Ordering::Relaxed), nonce());
        let name = fence.permit(name).await.map_err(InsertError::Turn)?;
        if let Err(error) = clickhouse.insert_events(&name, block).await {
            fence.failed(&error);
            return Err(InsertError::ClickHouse(error));
        }
        fence.ended();
    }
    Ok(())
}

/// An event says to which groups it belongs; one without a profile says nothing about a person.
fn properties_to_store<'a>(event: &'a AcceptedEvent, resolved: &Resolved) -> Cow<'a, Properties> {
    let about_person = |key: &str| matches!(key, "$set" | "$set_once" | "$unset") || key.starts_with("$initial_");
    let is_personless = event.properties.get("$process_person_profile") == Some(&Value::Bool(false));
    debug_assert!(is_personless || !matches!(resolved, Resolved::Person { properties: None, .. }));
    let groups = match resolved {
        Resolved::Person { groups, .. } => groups.as_slice(),
        Resolved::Dropped(_) => &[],
    };
    if groups.is_empty() && !(is_personless && event.properties.keys().any(about_person)) {
        return Cow::Borrowed(&event.properties);
    }
    let mut properties = event.properties.clone();
    if is_personless {
        properties.retain(|key, _| !about_person(key));
    }
    for group in groups {
        properties.insert(format!("$group_{}", group.type_index), group.key.clone().into());
    }
    Cow::Owned(properties)
}

fn nonce() -> u32 {
    getrandom::u32().unwrap_or_default()
}
