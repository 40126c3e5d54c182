//! Which project a key names, without a question to Postgres for every request.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::refusal::CaptureError;
use crate::model::{Clock, ProjectApiKey, ProjectId};
use crate::storage::pg::Pg;

/// A known key is asked for again after this long: so soon does a deleted project stop accepting.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// An unknown key is asked for again after this long: so soon does a new project begin to.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);
/// Most unknown keys remembered. Anybody can make them up, so they may not fill the memory.
const MAX_UNKNOWN: usize = 10_000;
/// Longest wait for Postgres.
const PATIENCE: Duration = Duration::from_secs(3);

/// The keys seen so far. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct ProjectKeys {
    pg: Pg,
    clock: Clock,
    seen: Arc<RwLock<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    known: HashMap<ProjectApiKey, Known>,
    /// When Postgres was last asked for each, by [`Clock::elapsed`].
    unknown: HashMap<ProjectApiKey, Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    project: ProjectId,
    /// When Postgres was last asked, by [`Clock::elapsed`].
    asked_at: Duration,
}

impl ProjectKeys {
    pub(super) fn new(pg: Pg, clock: Clock) -> Self {
        Self { pg, clock, seen: Arc::default() }
    }

    /// The project of a key. While Postgres is away, keys that were known stay known.
    ///
    /// # Errors
    /// [`CaptureError::UnknownKey`]; [`CaptureError::Unavailable`] if the key was never seen and Postgres does not answer.
    pub(super) async fn find(&self, key: &ProjectApiKey) -> Result<ProjectId, CaptureError> {
        let now = self.clock.elapsed();
        let before = match self.recall(key, now) {
            Recall::Fresh(project) => return Ok(project),
            Recall::Unknown => return Err(CaptureError::UnknownKey),
            Recall::Stale(project) => Some(project),
            Recall::Never => None,
        };
        if let Some(project) = before {
            // Others use what is known meanwhile: one request in a minute asks, not all that come while it waits.
            self.remember(key, Some(project), now);
        }
        match tokio::time::timeout(PATIENCE, self.pg.find_project_by_api_key(key)).await {
            Ok(Ok(found)) => {
                let project = found.map(|project| project.id);
                self.remember(key, project, now);
                project.ok_or(CaptureError::UnknownKey)
            }
            failed => {
                let reason =
                    failed.map_or_else(|e| e.to_string(), |e| e.map_or_else(|e| e.to_string(), |_| String::new()));
                tracing::warn!(reason, "Could not look up a project API key");
                before.ok_or(CaptureError::Unavailable)
            }
        }
    }

    fn recall(&self, key: &ProjectApiKey, now: Duration) -> Recall {
        let seen = self.seen.read().expect("nobody panics while holding this lock");
        match seen.known.get(key) {
            Some(known) if now.saturating_sub(known.asked_at) < KNOWN_FOR => Recall::Fresh(known.project),
            Some(known) => Recall::Stale(known.project),
            None => match seen.unknown.get(key) {
                Some(asked_at) if now.saturating_sub(*asked_at) < UNKNOWN_FOR => Recall::Unknown,
                _ => Recall::Never,
            },
        }
    }

    fn remember(&self, key: &ProjectApiKey, project: Option<ProjectId>, asked_at: Duration) {
        let mut seen = self.seen.write().expect("nobody panics while holding this lock");
        match project {
            Some(project) => {
                seen.unknown.remove(key);
                seen.known.insert(key.clone(), Known { project, asked_at });
            }
            None => {
                seen.known.remove(key);
                if seen.unknown.len() >= MAX_UNKNOWN {
                    seen.unknown.retain(|_, at| asked_at.saturating_sub(*at) < UNKNOWN_FOR);
                }
                if seen.unknown.len() < MAX_UNKNOWN {
                    seen.unknown.insert(key.clone(), asked_at);
                }
            }
        }
    }
}

enum Recall {
    Fresh(ProjectId),
    Stale(ProjectId),
    Unknown,
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(clock: &Clock) -> ProjectKeys {
        // Nothing listens on port 1: this Postgres is always away.
        let options = "postgres://nobody@127.0.0.1:1/none".parse().expect("a URL");
        ProjectKeys::new(Pg::new(options, 1), clock.clone())
    }

    fn key(text: &str) -> ProjectApiKey {
        text.parse().expect("a key")
    }

    #[tokio::test]
    async fn without_postgres_known_keys_stay_known_and_others_may_try_again() {
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a timestamp"));
        let keys = keys(&clock);
        keys.remember(&key("phc_known"), Some(ProjectId::new(7)), clock.elapsed());
        keys.remember(&key("phc_unknown"), None, clock.elapsed());
        assert_eq!(keys.find(&key("phc_known")).await.ok(), Some(ProjectId::new(7)));
        assert!(matches!(keys.find(&key("phc_unknown")).await, Err(CaptureError::UnknownKey)));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(keys.find(&key("phc_known")).await.ok(), Some(ProjectId::new(7)));
        assert!(matches!(keys.find(&key("phc_unknown")).await, Err(CaptureError::Unavailable)));
    }

    #[tokio::test]
    async fn made_up_keys_do_not_fill_the_memory() {
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a timestamp"));
        let keys = keys(&clock);
        for n in 0..MAX_UNKNOWN + 500 {
            keys.remember(&key(&format!("phc_{n}")), None, clock.elapsed());
        }
        assert_eq!(keys.seen.read().expect("no panic").unknown.len(), MAX_UNKNOWN);
        clock.advance(Duration::from_secs(10));
        keys.remember(&key("phc_next"), None, clock.elapsed());
        assert_eq!(keys.seen.read().expect("no panic").unknown.len(), 1);
    }
}
