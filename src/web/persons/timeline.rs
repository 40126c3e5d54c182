//! A person's events, put together by session.

use jiff::tz::TimeZone;
use serde_json::Value;
use uuid::Uuid;

use super::list::Moment;
use crate::insights::explore::EventLine;
use crate::model::ProjectId;
use crate::model::session::MAX_SESSION_ID_CHARS;
use crate::web::events::{Column, EventTable};
use crate::web::sessions::{duration_text, session_href};

/// Sessions that are open at first.
const OPEN: usize = 3;

/// The events of one session that stand on the page.
#[derive(Debug)]
pub struct SessionPart {
    /// The session's own page; none for events outside any session.
    pub href: Option<String>,
    pub event_count: usize,
    /// From the first of these events to the last; none for a single moment.
    pub duration: Option<String>,
    /// When the last of them happened.
    pub last: Moment,
    pub table: EventTable,
    pub is_open: bool,
}

/// What a session's part is made with.
pub struct Timeline<'a> {
    pub project: ProjectId,
    pub zone: &'a TimeZone,
    pub columns: &'a [Column],
    /// The event whose row is open.
    pub open: Option<&'a EventLine>,
}

impl Timeline<'_> {
    /// The events by session; a session stands where its latest event does. Events come and stay newest first.
    pub fn parts(&self, lines: &[EventLine], open_href: impl Fn(Uuid) -> String) -> Vec<SessionPart> {
        let mut groups: Vec<(Option<&str>, Vec<EventLine>)> = Vec::new();
        for line in lines {
            let session = session_of(line);
            match groups.iter_mut().find(|(id, _)| *id == session) {
                Some((_, events)) => events.push(line.clone()),
                None => groups.push((session, vec![line.clone()])),
            }
        }
        groups
            .into_iter()
            .enumerate()
            .map(|(at, (session, events))| self.part(at, session, &events, &open_href))
            .collect()
    }

    fn part(
        &self,
        at: usize,
        session: Option<&str>,
        events: &[EventLine],
        open_href: impl Fn(Uuid) -> String,
    ) -> SessionPart {
        let (last, first) = (&events[0].event, &events[events.len() - 1].event);
        let seconds = last.at.as_second() - first.at.as_second();
        let has_open = self.open.is_some_and(|open| events.iter().any(|line| line.event.uuid == open.event.uuid));
        SessionPart {
            href: session.map(|id| session_href(self.project, id)),
            event_count: events.len(),
            duration: (seconds > 0 && session.is_some()).then(|| duration_text(seconds)),
            last: Moment::new(self.zone, last.at),
            table: EventTable::new(self.project, self.zone, self.columns.to_vec(), events, self.open, open_href),
            is_open: at < OPEN || has_open,
        }
    }
}

fn session_of(line: &EventLine) -> Option<&str> {
    let id = line.event.properties.get("$session_id").and_then(Value::as_str)?;
    (1..=MAX_SESSION_ID_CHARS).contains(&id.chars().count()).then_some(id)
}
