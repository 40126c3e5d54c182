//! Sessions in: what a node knows of one, read and written again. See the table's migration.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::row_binary::RowBinary;
use super::{ChError, ClickHouse, Sql};
use crate::model::session::{ENTRY_TEXTS, EXIT_TEXTS, SessionEntry, SessionExit, SessionPartial, SessionPoint};
use crate::model::{PersonId, ProjectId};

/// The server gives up before the client does.
const SERVER_SECONDS: &str = "60";
const CLIENT_TIMEOUT: Duration = Duration::from_secs(90);

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let mut sql = "INSERT INTO sessions (project_id, session_id, node, version, first_at, first_tie, first_distinct_id, \
                   last_at, last_tie, last_person_id, events, pageviews, screens, autocaptures, url_hashes, entry_rank, \
                   entry_at, entry_tie"
        .to_owned();
    for text in &ENTRY_TEXTS {
        write!(sql, ", {}", text.column).expect("a text takes text");
    }
    sql.push_str(", click_ids, exit_at, exit_tie");
    for text in &EXIT_TEXTS {
        write!(sql, ", {}", text.column).expect("a text takes text");
    }
    sql + ") FORMAT RowBinary"
});

/// What names a session: ids are callers' and count inside a project.
pub type SessionKey = (ProjectId, String);

/// What a node has written of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    pub project_id: ProjectId,
    pub session_id: String,
    /// Number of the last spool frame that is in it.
    pub version: u64,
    pub partial: SessionPartial,
}

/// A row as ClickHouse sends it.
#[derive(Debug, Row, Deserialize)]
struct SessionRow {
    project_id: u32,
    session_id: String,
    version: u64,
    first: (i64, u64),
    first_distinct_id: String,
    last: (i64, u64),
    last_person_id: u64,
    events: u64,
    pageviews: u64,
    screens: u64,
    autocaptures: u64,
    url_hashes: Vec<u64>,
    entry_rank: u8,
    entry: (i64, u64),
    entry_texts: Vec<Option<String>>,
    click_ids: Vec<(String, String)>,
    exit: (i64, u64),
    exit_texts: Vec<Option<String>>,
}

impl ClickHouse {
    /// What this node has written of these sessions; those of which it has not are not in the answer.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn find_session_partials(
        &self,
        node: Uuid,
        projects: &[ProjectId],
        session_ids: &[&str],
    ) -> Result<Vec<StoredSession>, ChError> {
        if session_ids.is_empty() {
            return Ok(Vec::new());
        }
        let projects: Vec<u64> = projects.iter().map(|project| project.as_u32().into()).collect();
        let point = |sql: &mut Sql, at: &'static str, tie: &'static str, name: &'static str| {
            sql.push(", (toUnixTimestamp64Micro(").push(at).push("), ").push(tie).push(") AS ").push(name);
        };
        let texts = |sql: &mut Sql, columns: &mut dyn Iterator<Item = &'static str>| {
            for (at, column) in columns.enumerate() {
                sql.push(if at == 0 { ", [" } else { ", " }).push("CAST(").push(column).push(", 'Nullable(String)')");
            }
            sql.push("]");
        };
        let mut sql = Sql::new("SELECT project_id, session_id, version");
        point(&mut sql, "first_at", "first_tie", "first");
        sql.push(", first_distinct_id");
        point(&mut sql, "last_at", "last_tie", "last");
        sql.push(", last_person_id, events, pageviews, screens, autocaptures, url_hashes, entry_rank");
        point(&mut sql, "entry_at", "entry_tie", "entry");
        texts(&mut sql, &mut ENTRY_TEXTS.iter().map(|text| text.column));
        sql.push(" AS entry_texts, click_ids");
        point(&mut sql, "exit_at", "exit_tie", "exit");
        texts(&mut sql, &mut EXIT_TEXTS.iter().map(|text| text.column));
        sql.push(" AS exit_texts\nFROM sessions\nWHERE project_id IN ").param("Array(UInt32)", projects);
        sql.push("\n  AND node = ").param("UUID", node.to_string());
        sql.push("\n  AND session_id IN ").texts(session_ids.iter().copied());
        sql.push("\nORDER BY version DESC\nLIMIT 1 BY project_id, session_id");
        // Slow is better than never: without this answer the pipeline stands still.
        let query = self.ask(&sql).with_setting("max_query_size", "33554432").with_setting("max_execution_time", "300");
        let rows: Vec<SessionRow> = query.fetch_all().await?;
        rows.into_iter().map(SessionRow::into_stored).collect()
    }

    /// Writes what this node knows of sessions now. Writing the same again changes nothing, nor does writing an older
    /// version.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn insert_session_partials(&self, node: Uuid, sessions: &[StoredSession]) -> Result<(), ChError> {
        if sessions.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(sessions.len() * 512);
        for session in sessions {
            put_row(node, session, &mut rows);
        }
        let mut insert = self
            .client()
            .insert_formatted_with(INSERT.as_str())
            .with_setting("async_insert", "0")
            .with_setting("max_execution_time", SERVER_SECONDS)
            .with_setting("insert_deduplicate", "0")
            // Each session is there once.
            .with_setting("optimize_on_insert", "0")
            .with_setting("max_insert_block_size", "1000000")
            .with_setting("max_insert_threads", "1")
            .with_timeouts(Some(CLIENT_TIMEOUT), Some(CLIENT_TIMEOUT));
        insert.send(Bytes::from(rows)).await?;
        insert.end().await
    }
}

fn put_row(node: Uuid, session: &StoredSession, to: &mut Vec<u8>) {
    let SessionPartial { entry, exit, .. } = &session.partial;
    let partial = &session.partial;
    to.put_u32(session.project_id.as_u32());
    to.put_string(&session.session_id);
    to.put_uuid(node);
    to.put_u64(session.version);
    put_point(partial.first, to);
    to.put_string(&partial.first_distinct_id);
    put_point(partial.last, to);
    to.put_u64(partial.last_person.get());
    for count in [partial.events, partial.pageviews, partial.screens, partial.autocaptures] {
        to.put_u64(count);
    }
    put_len(partial.url_hashes.len(), to);
    for hash in &partial.url_hashes {
        to.put_u64(*hash);
    }
    to.push(u8::from(!entry.is_view));
    put_point(entry.point, to);
    entry.texts.iter().for_each(|text| put_text(text.as_deref(), to));
    put_len(entry.click_ids.len(), to);
    for (key, id) in &entry.click_ids {
        to.put_string(key);
        to.put_string(id);
    }
    put_point(exit.as_ref().map_or(SessionPoint { at: 0, tie: 0 }, |exit| exit.point), to);
    for at in 0..EXIT_TEXTS.len() {
        put_text(exit.as_ref().and_then(|exit| exit.texts[at].as_deref()), to);
    }
}

fn put_point(point: SessionPoint, to: &mut Vec<u8>) {
    to.put_i64(point.at);
    to.put_u64(point.tie);
}

/// How many items of an array or a map follow.
fn put_len(mut len: usize, to: &mut Vec<u8>) {
    while len >= 0x80 {
        to.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    to.push(len as u8);
}

fn put_text(text: Option<&str>, to: &mut Vec<u8>) {
    to.put_is_set(text.is_some());
    if let Some(text) = text {
        to.put_string(text);
    }
}

impl SessionRow {
    fn into_stored(self) -> Result<StoredSession, ChError> {
        let point = |(at, tie)| SessionPoint { at, tie };
        let has_view = self.pageviews + self.screens > 0;
        Ok(StoredSession {
            project_id: ProjectId::new(self.project_id.cast_signed()),
            session_id: self.session_id,
            version: self.version,
            partial: SessionPartial {
                first: point(self.first),
                first_distinct_id: self.first_distinct_id,
                last: point(self.last),
                last_person: PersonId::from_event(self.last_person_id),
                events: self.events,
                pageviews: self.pageviews,
                screens: self.screens,
                autocaptures: self.autocaptures,
                url_hashes: self.url_hashes,
                entry: SessionEntry {
                    is_view: self.entry_rank == 0,
                    point: point(self.entry),
                    texts: all(self.entry_texts)?,
                    click_ids: self.click_ids,
                },
                exit: match has_view {
                    true => Some(SessionExit { point: point(self.exit), texts: all(self.exit_texts)? }),
                    false => None,
                },
            },
        })
    }
}

fn all<const N: usize>(texts: Vec<Option<String>>) -> Result<[Option<String>; N], ChError> {
    texts.try_into().map_err(|_| ChError::Custom("a session's row has another number of texts".to_owned()))
}
