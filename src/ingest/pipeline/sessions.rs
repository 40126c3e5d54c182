//! Sessions kept up to date: what this node knew of those that a batch touches, with the batch's own events added.
//!
//! The events are those that the batch itself stored, so each goes in once, whichever node got it and however often it was
//! sent. A stored row names the last spool frame that is in it: one that has this batch already is left alone, so that a
//! crash between here and the cursor changes nothing.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::ingest::sessions::SessionFold;
use crate::model::session::SessionPartial;
use crate::model::{ProjectId, Recent};
use crate::storage::ch::{self, ChError, ClickHouse, SessionKey, StoredSession};

/// Sessions read and written at once: bounds memory, however many one batch touches.
const MAX_SESSIONS: usize = 5_000;
/// Bytes of sessions that are remembered, in each of two generations.
const MAX_REMEMBERED: usize = 12 << 20;

/// What this node has written of sessions, and how to go on.
#[derive(Debug)]
pub(super) struct Sessions {
    node: Uuid,
    /// What was written lately, so that it need not be read again: nobody else writes rows of this node. What is about to
    /// change is taken out; if it then cannot be written, it is read again.
    recent: Recent<SessionKey, Box<Known>>,
}

/// The sessions that a batch touches, and what its events say about each.
#[derive(Debug)]
pub(super) struct Touched<'a>(Vec<((ProjectId, &'a str), SessionPartial)>);

impl<'a> Touched<'a> {
    /// The sessions of these events.
    pub fn new(fold: SessionFold<'a>) -> Self {
        Self(fold.into_sorted())
    }

    /// Takes away so many that they can be written together; none if all are done.
    pub fn next_part(&mut self) -> Vec<((ProjectId, &'a str), SessionPartial)> {
        self.0.split_off(self.0.len().saturating_sub(MAX_SESSIONS))
    }
}

impl Sessions {
    pub fn new(node: Uuid) -> Self {
        Self { node, recent: Recent::new(MAX_REMEMBERED) }
    }

    /// Forgets what was written: somebody else may have deleted it since.
    pub fn forget(&mut self) {
        self.recent.forget();
    }

    /// Adds to these sessions what a batch says. Trying again after a failure adds it once. Gives the sessions that
    /// ClickHouse refuses for what they contain.
    pub async fn write(
        &mut self,
        clickhouse: &ClickHouse,
        version: u64,
        touched: &[((ProjectId, &str), SessionPartial)],
    ) -> Result<Vec<SessionKey>, ChError> {
        let mut known = self.known(clickhouse, touched).await?;
        let mut rows: Vec<StoredSession> = Vec::with_capacity(touched.len());
        for ((project_id, session_id), news) in touched {
            let key = (*project_id, (*session_id).to_owned());
            let partial = match known.remove(&key) {
                Some(Known { version: applied, .. }) if applied >= version => continue,
                Some(Known { mut partial, .. }) => {
                    partial.merge(news);
                    partial
                }
                None => news.clone(),
            };
            rows.push(StoredSession { project_id: key.0, session_id: key.1, version, partial });
        }
        let mut refused = Vec::new();
        // Halves of what is refused, until the one session is found.
        let mut parts = vec![rows];
        while let Some(mut part) = parts.pop() {
            match clickhouse.insert_session_partials(self.node, &part).await {
                Ok(()) => self.learn(part),
                Err(error) if ch::blames_data(&error) => {
                    if part.len() > 1 {
                        let second = part.split_off(part.len() / 2);
                        parts.extend([second, part]);
                    } else {
                        refused.extend(part.into_iter().map(|row| (row.project_id, row.session_id)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    fn learn(&mut self, rows: Vec<StoredSession>) {
        for StoredSession { project_id, session_id, version, partial } in rows {
            let key = (project_id, session_id);
            let weight = weight(&key, &partial);
            self.recent.put(key, Box::new(Known { version, partial }), weight);
        }
    }

    /// What this node has written of these sessions, with the version.
    async fn known(
        &mut self,
        clickhouse: &ClickHouse,
        touched: &[((ProjectId, &str), SessionPartial)],
    ) -> Result<HashMap<SessionKey, Known>, ChError> {
        let mut known = HashMap::with_capacity(touched.len());
        let (mut projects, mut missing) = (BTreeSet::new(), Vec::new());
        for ((project, id), _) in touched {
            let key = (*project, (*id).to_owned());
            match self.recent.take(&key) {
                Some(found) => drop(known.insert(key, *found)),
                None => {
                    projects.insert(*project);
                    missing.push(*id);
                }
            }
        }
        let projects: Vec<ProjectId> = projects.into_iter().collect();
        for row in clickhouse.find_session_partials(self.node, &projects, &missing).await? {
            // Of two projects' sessions by one id both come, though perhaps only one was asked for.
            let (version, partial) = (row.version, row.partial);
            known.entry((row.project_id, row.session_id)).or_insert(Known { version, partial });
        }
        Ok(known)
    }
}

/// A session as it was written, with the last spool frame that is in it.
#[derive(Debug)]
struct Known {
    version: u64,
    partial: SessionPartial,
}

/// About how many bytes what was written of a session takes here.
fn weight((_, id): &SessionKey, partial: &SessionPartial) -> usize {
    partial.weight() + size_of::<(SessionKey, u64)>() + id.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ingest::AcceptedEvent;
    use crate::model::PersonId;

    fn row(n: u32) -> StoredSession {
        let event: AcceptedEvent = serde_json::from_value(json!({
            "project_id": 1, "uuid": Uuid::nil(), "event": "$pageview", "distinct_id": "d",
            "timestamp": "2026-11-01T12:00:00Z", "received_at": "2026-11-01T12:00:00Z",
            "properties": { "$session_id": format!("s{n}"), "$current_url": "https://x.org/".repeat(100) },
        }))
        .expect("an event");
        let mut fold = SessionFold::default();
        fold.add(&event, PersonId::from_event(1));
        let ((project_id, id), partial) = fold.into_sorted().pop().expect("a session");
        StoredSession { project_id, session_id: id.to_owned(), version: n.into(), partial }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_stays() {
        let mut sessions = Sessions::new(Uuid::nil());
        for n in 0..30_000 {
            sessions.learn(vec![row(n)]);
        }
        let bytes: usize = sessions.recent.iter().map(|(key, known)| weight(key, &known.partial)).sum();
        assert!((1..=2 * MAX_REMEMBERED).contains(&bytes));
        let key = |n: u32| (ProjectId::new(1), format!("s{n}"));
        assert!(sessions.recent.take(&key(0)).is_none());
        sessions.learn(vec![StoredSession { version: 77, ..row(29_999) }]);
        assert_eq!(sessions.recent.take(&key(29_999)).map(|known| known.version), Some(77));
        assert!(sessions.recent.take(&key(29_999)).is_none());
    }
}
