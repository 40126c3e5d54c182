//! Visitors without cookies (PROTOCOL §2.8): an id that nobody keeps, made at the door.
//!
//! The SDK sends `$posthog_cookieless` in place of an id. What tells one visitor of a day from another is a hash of project,
//! address, root domain and user agent under the day's salt: 16 random bytes that all instances share, and that are destroyed
//! when the day is over everywhere on Earth. After that nobody can say whose id it was. The address must not reach the disk, so
//! this happens before the spool; a glance lets no such event pass.
//!
//! The day is the visitor's own (`$timezone`), of the event's time. Address and user agent are taken off the event afterwards, and
//! everything else that would name somebody. Sessions have no cookie either: one lasts until there is nothing for 30 minutes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::accepted::AcceptedEvent;
use super::enrich::Origin;
use super::refusal::{CaptureError, Rejection};
use super::rejected::{RejectedEvent, sample};
use crate::model::{COOKIELESS_PREFIX, Clock, ProjectId};
use crate::storage::pg::{Pg, PgError};

/// What the SDK sends for an id.
pub(super) const NO_ID: &str = "$posthog_cookieless";
/// The property by which it says so.
pub(super) const MODE: &str = "$cookieless_mode";
/// How long a project's choice is remembered.
const CHOICE_FOR: Duration = Duration::from_secs(10);
/// Longest wait for Postgres.
const PATIENCE: Duration = Duration::from_secs(3);
/// Events of one visitor this close together are in one session without asking.
const SAME_SESSION: SignedDuration = SignedDuration::from_mins(1);
/// Most questions for sessions in one request; more visitors than that come from no browser.
const MOST_QUESTIONS: usize = 200;
/// What would name the visitor.
const NAMES: [&str; 9] = [
    "$ip",
    "$raw_user_agent",
    "$device_id",
    "$user_id",
    "$anon_distinct_id",
    "$window_id",
    "$set",
    "$set_once",
    "$unset",
];

/// The earliest day that is not over everywhere on Earth.
#[must_use]
pub fn first_living_day(now: Timestamp) -> Date {
    day_at(now, -12)
}

/// The latest day that has begun somewhere.
fn last_living_day(now: Timestamp) -> Date {
    day_at(now, 14)
}

fn day_at(now: Timestamp, hours: i64) -> Date {
    now.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(now).to_zoned(TimeZone::UTC).date()
}

/// Whether an event is of a visitor without cookies.
fn is_cookieless(event: &AcceptedEvent) -> bool {
    event.distinct_id == NO_ID || event.properties.get(MODE) == Some(&Value::Bool(true))
}

/// What tells a visitor, taken before an event loses its address.
#[derive(Debug)]
pub(super) struct Visitor {
    /// The event's place among the accepted ones.
    at: usize,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

/// The visitors without cookies among these events.
pub(super) fn visitors(events: &[AcceptedEvent], origin: &Origin) -> Vec<Visitor> {
    let text = |event: &AcceptedEvent, key: &str| event.properties.get(key).and_then(Value::as_str).map(str::to_owned);
    let visitor = |(at, event): (usize, &AcceptedEvent)| Visitor {
        at,
        ip: text(event, "$ip").and_then(|ip| ip.trim().parse().ok()).or(origin.ip),
        user_agent: text(event, "$raw_user_agent").or_else(|| origin.user_agent.clone()).filter(|a| !a.is_empty()),
    };
    events.iter().enumerate().filter(|(_, event)| is_cookieless(event)).map(visitor).collect()
}

/// Gives visitors without cookies their ids. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Cookieless {
    pg: Pg,
    clock: Clock,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    salts: HashMap<Date, Vec<u8>>,
    /// Whether a project takes such events, and when that was asked.
    choices: HashMap<ProjectId, (bool, Duration)>,
}

/// The sessions of one request's visitors.
#[derive(Default)]
struct Sessions {
    asked: HashMap<String, (Uuid, Timestamp)>,
    questions: usize,
}

impl Cookieless {
    /// With salts and choices from here.
    #[must_use]
    pub fn new(pg: Pg, clock: Clock) -> Self {
        Self { pg, clock, known: Arc::default() }
    }

    /// Gives each of these visitors' events its id and session, and takes out what must not be kept. Events that cannot be
    /// taken leave `events`; they come back with the place they had.
    ///
    /// # Errors
    /// [`CaptureError::Unavailable`] if Postgres does not answer and something of it is not known: nothing may be accepted.
    pub(super) async fn settle(
        &self,
        project: ProjectId,
        events: &mut Vec<AcceptedEvent>,
        visitors: Vec<Visitor>,
    ) -> Result<Vec<(usize, RejectedEvent)>, CaptureError> {
        if visitors.is_empty() {
            return Ok(Vec::new());
        }
        let is_on = self.is_on(project).await?;
        let mut sessions = Sessions::default();
        let mut dropped = Vec::new();
        for visitor in visitors {
            let event = &mut events[visitor.at];
            match if is_on { self.known_as(event, &visitor).await? } else { Err(Rejection::CookielessOff) } {
                Ok(id) => {
                    let session = self.session(project, &id, event.timestamp, &mut sessions).await;
                    strip(event);
                    event.distinct_id = id;
                    event.properties.insert("$session_id", session.to_string().into());
                    event.properties.insert("$process_person_profile", false.into());
                }
                Err(reason) => {
                    strip(event);
                    dropped.push((visitor.at, noted(event, reason)));
                }
            }
        }
        for (at, _) in dropped.iter().rev() {
            events.remove(*at);
        }
        Ok(dropped)
    }

    /// The visitor's id of the day, or why there is none.
    async fn known_as(
        &self,
        event: &AcceptedEvent,
        visitor: &Visitor,
    ) -> Result<Result<String, Rejection>, CaptureError> {
        if matches!(event.event.as_str(), "$identify" | "$create_alias" | "$merge_dangerously") {
            return Ok(Err(Rejection::CookielessIdentity));
        }
        let host = event.properties.get("$host").and_then(Value::as_str).filter(|host| !host.is_empty());
        let (Some(ip), Some(agent), Some(host)) = (visitor.ip, &visitor.user_agent, host) else {
            return Ok(Err(Rejection::CookielessIncomplete));
        };
        let zone = event.properties.get("$timezone").and_then(Value::as_str);
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let day = event.timestamp.to_zoned(zone).date();
        let now = self.clock.now();
        if !(first_living_day(now)..=last_living_day(now)).contains(&day) {
            return Ok(Err(Rejection::CookielessDayOver));
        }
        let salt = self.salt(day, now).await?;
        Ok(Ok(id_of(&salt, event.project_id, ip, &root_domain(host), agent)))
    }

    async fn is_on(&self, project: ProjectId) -> Result<bool, CaptureError> {
        let now = self.clock.elapsed();
        let before = self.known().choices.get(&project).copied();
        if let Some((is_on, asked_at)) = before
            && now.saturating_sub(asked_at) < CHOICE_FOR
        {
            return Ok(is_on);
        }
        match within(self.pg.is_cookieless(project)).await {
            Ok(is_on) => {
                self.known().choices.insert(project, (is_on, now));
                Ok(is_on)
            }
            Err(error) => {
                tracing::warn!(error = %error, "Could not look up whether a project takes visitors without cookies");
                before.map(|(is_on, _)| is_on).ok_or(CaptureError::Unavailable)
            }
        }
    }

    async fn salt(&self, day: Date, now: Timestamp) -> Result<Vec<u8>, CaptureError> {
        {
            let mut known = self.known();
            known.salts.retain(|day, _| *day >= first_living_day(now));
            if let Some(salt) = known.salts.get(&day) {
                return Ok(salt.clone());
            }
        }
        let mut fresh = [0; 16];
        getrandom::fill(&mut fresh).map_err(|_| CaptureError::Internal)?;
        let salt = within(self.pg.cookieless_salt(day, &fresh)).await.map_err(|error| {
            tracing::warn!(error = %error, "Could not look up the salt of a day");
            CaptureError::Unavailable
        })?;
        self.known().salts.insert(day, salt.clone());
        Ok(salt)
    }

    /// The session that a visitor is in. If Postgres does not say, the half hour names one.
    async fn session(&self, project: ProjectId, visitor: &str, at: Timestamp, sessions: &mut Sessions) -> Uuid {
        if let Some((session, asked_at)) = sessions.asked.get(visitor)
            && at.duration_since(*asked_at).abs() <= SAME_SESSION
        {
            return *session;
        }
        let fresh = session_from(at, visitor);
        sessions.questions += 1;
        let session = if sessions.questions > MOST_QUESTIONS {
            fresh_of_half_hour(at, visitor)
        } else {
            within(self.pg.cookieless_session(project, visitor, fresh, at)).await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "Could not look up the session of a visitor without cookies");
                fresh_of_half_hour(at, visitor)
            })
        };
        sessions.asked.insert(visitor.to_owned(), (session, at));
        session
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, PgError>>) -> Result<T, PgError> {
    let late = |_| PgError::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
}

/// The id of a visitor: 16 bytes of a keyed hash.
fn id_of(salt: &[u8], project: ProjectId, ip: IpAddr, root_domain: &str, user_agent: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    let mut context = hmac::Context::with_key(&key);
    for part in [project.to_string().as_bytes(), ip.to_canonical().to_string().as_bytes(), root_domain.as_bytes()] {
        // The length first: no two lists of parts are one text.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.update(user_agent.as_bytes());
    format!("{COOKIELESS_PREFIX}{}", URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..16]))
}

/// A host without port and subdomains: `shop.example.co.uk:8080` is `example.co.uk`. Of endings with two parts the usual ones
/// are known; where one is not, sites below it are one site, which the project in the hash keeps apart all the same.
fn root_domain(host: &str) -> String {
    const SECOND_LEVEL: [&str; 12] = ["co", "com", "org", "net", "ac", "gov", "edu", "gob", "ne", "or", "go", "in"];
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    if host.starts_with('[') {
        return host.split(']').next().unwrap_or_default().trim_start_matches('[').to_owned();
    }
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(&*host, |h| h.0);
    if host.parse::<IpAddr>().is_ok() {
        return host.to_owned();
    }
    let labels: Vec<&str> = host.split('.').collect();
    let wanted = match labels.as_slice() {
        [.., second, last] if last.len() == 2 && SECOND_LEVEL.contains(second) => 3,
        _ => 2,
    };
    labels[labels.len().saturating_sub(wanted)..].join(".")
}

/// A session id of version 7 that begins at a moment.
fn session_from(at: Timestamp, visitor: &str) -> Uuid {
    let digest = Sha256::new().chain_update(visitor).chain_update(at.as_microsecond().to_be_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    uuid::Builder::from_bytes(bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::SortRand)
        .into_uuid()
}

fn fresh_of_half_hour(at: Timestamp, visitor: &str) -> Uuid {
    let seconds = at.as_second();
    session_from(Timestamp::from_second(seconds - seconds.rem_euclid(1800)).unwrap_or(at), visitor)
}

fn strip(event: &mut AcceptedEvent) {
    event.properties.retain(|key, _| !NAMES.contains(&key) && !key.starts_with("$initial_"));
}

fn noted(event: &AcceptedEvent, reason: Rejection) -> RejectedEvent {
    RejectedEvent {
        project_id: event.project_id,
        received_at: event.received_at,
        reason,
        count: 1,
        event: Some(event.event.clone()),
        distinct_id: Some(NO_ID.to_owned()),
        uuid: Some(event.uuid.to_string()),
        sample: sample(&event.properties),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_day_lives_until_it_is_over_everywhere() {
        let day = |text: &str| text.parse::<Date>().expect("a date");
        for (now, first, last) in [
            ("2026-11-21T11:59:59Z", "2026-11-20", "2026-11-22"),
            ("2026-11-21T12:00:00Z", "2026-11-21", "2026-11-22"),
            ("2026-11-21T09:59:59Z", "2026-11-20", "2026-11-21"),
            ("2026-11-21T10:00:00Z", "2026-11-20", "2026-11-22"),
        ] {
            assert_eq!((first_living_day(at(now)), last_living_day(at(now))), (day(first), day(last)), "{now}");
        }
    }

    #[test]
    fn subdomains_and_ports_are_one_site() {
        for (host, root) in [
            ("shop.example.test:8801", "example.test"),
            ("Example.COM.", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("localhost:3000", "localhost"),
            ("192.0.2.7:80", "192.0.2.7"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("t.co", "t.co"),
        ] {
            assert_eq!(root_domain(host), root, "{host}");
        }
    }

    #[test]
    fn an_id_depends_on_every_part_and_tells_none() {
        let ip: IpAddr = "192.0.2.1".parse().expect("an address");
        let one = id_of(b"salt", ProjectId::new(1), ip, "example.com", "Firefox");
        assert_eq!(one, id_of(b"salt", ProjectId::new(1), ip, "example.com", "Firefox"));
        assert_eq!(one.len(), COOKIELESS_PREFIX.len() + 22);
        for other in [
            id_of(b"salz", ProjectId::new(1), ip, "example.com", "Firefox"),
            id_of(b"salt", ProjectId::new(2), ip, "example.com", "Firefox"),
            id_of(b"salt", ProjectId::new(1), "192.0.2.2".parse().expect("an address"), "example.com", "Firefox"),
            id_of(b"salt", ProjectId::new(1), ip, "example.org", "Firefox"),
            id_of(b"salt", ProjectId::new(1), ip, "example.com", "Chrome"),
            id_of(b"salt", ProjectId::new(1), ip, "example.comF", "irefox"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_session_id_tells_when_it_began() {
        let began = at("2026-11-21T12:34:56.789Z");
        let session = session_from(began, "cookieless_x");
        assert_eq!(session.get_version_num(), 7);
        assert_eq!(session.as_u64_pair().0 >> 16, began.as_millisecond().unsigned_abs());
        assert_ne!(session, session_from(began, "cookieless_y"));
        assert_eq!(fresh_of_half_hour(began, "v"), fresh_of_half_hour(at("2026-11-21T12:30:00Z"), "v"));
    }
}
