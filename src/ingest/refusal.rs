//! What is not accepted, and why: a whole request, or one event of it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::InvalidApiKey;

use super::decode::DecodeError;
use super::inflate::InflateError;
use super::json::InvalidJson;
use super::multipart::MultipartError;

/// Why a request was not accepted as a whole. Its text is for the person who reads the SDK's log.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Json(#[from] InvalidJson),
    #[error(transparent)]
    Multipart(#[from] MultipartError),
    /// Short values in such numbers that reading them would take the memory of all.
    #[error("the request holds too many values: send its events in smaller batches")]
    TooManyValues,
    /// The JSON is neither an event nor events.
    #[error("the body must be an event, an array of events, or an object with a batch of events")]
    NotEvents,
    /// `[]`, or `"batch": []`.
    #[error("the batch holds no event")]
    EmptyBatch,
    /// Every single event of the request was rejected; the first one's reason.
    #[error("no event of the request could be accepted: {0}")]
    AllRejected(Rejection),
    /// No key anywhere in the request.
    #[error("the request has no project API key: send it as api_key or token")]
    MissingKey,
    /// Two events of one request name different projects.
    #[error("the request holds more than one project API key; send one request for each project")]
    SeveralKeys,
    #[error(transparent)]
    InvalidKey(#[from] InvalidApiKey),
    /// Well-formed, but no project has it.
    #[error("no project has this API key: compare it with the one in the project's settings")]
    UnknownKey,
    /// Nothing was accepted, and the same request may succeed a little later.
    #[error("events cannot be accepted at the moment, try again in {RETRY_AFTER_SECONDS} seconds")]
    Unavailable,
    /// Nothing was accepted, because too much came before; the same request passes after this long.
    #[error("too many {of}: send this again in {retry_after_seconds} seconds")]
    TooMany { of: &'static str, retry_after_seconds: u32 },
    /// A defect of ours.
    #[error("the request could not be read because of an error in the server")]
    Internal,
}

impl CaptureError {
    /// Too many of something, for this long.
    #[must_use]
    pub fn too_many(of: &'static str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::TooMany { of, retry_after_seconds: u32::try_from(seconds.max(1)).unwrap_or(u32::MAX) }
    }
}

impl From<InflateError> for CaptureError {
    fn from(error: InflateError) -> Self {
        Self::Decode(error.into())
    }
}

/// What [`CaptureError::Unavailable`] tells senders to wait.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// Why one event was not accepted, while its neighbours were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("an event must be a JSON object")]
    NotAnObject,
    #[error("the event has no name")]
    MissingEventName,
    #[error("the event has no distinct_id")]
    MissingDistinctId,
    #[error("the event's uuid is not a UUID")]
    InvalidUuid,
    #[error("the event's properties are not a JSON object")]
    InvalidProperties,
    #[error("the event is larger than this server accepts")]
    TooLarge,
    /// A snapshot of a session recording. Recordings are not kept yet; when they are, snapshots leave for them here.
    #[error("session recordings are not stored")]
    Recording,
    /// `$$client_ingestion_warning`: what an SDK says about itself, not something that happened.
    #[error("warnings of the SDK about itself are not stored as events")]
    ClientWarning,
    #[error("the event's name is longer than 200 characters")]
    EventNameTooLong,
    #[error("the event's distinct_id is longer than 200 characters")]
    DistinctIdTooLong,
    #[error("the event's timestamp is missing or not a time")]
    InvalidTimestamp,
    #[error("an option of the event has a value that it cannot have")]
    InvalidOptions,
    /// Of a distinct id on the project's list.
    #[error("the person opted out of being counted in this project")]
    OptedOut,
    /// Of a person who was erased, and from before that.
    #[error("the person was erased, and the event is from before that")]
    Erased,
    #[error("the project does not count visitors without cookies: an admin can switch that on")]
    CookielessOff,
    #[error("a visitor without cookies is told apart by address, host and user agent, and one of them is missing")]
    CookielessIncomplete,
    #[error("the day of the event is over everywhere, or not begun: visitors without cookies are known for their day")]
    CookielessDayOver,
    #[error("a visitor without cookies cannot be identified or joined to somebody")]
    CookielessIdentity,
    /// Read from a spool that another version wrote.
    #[error("the event was refused for a reason that this version does not know")]
    Other,
}

impl Rejection {
    /// Every reason there is, in the order of [`Rejection::index`].
    pub const ALL: [Self; 19] = [
        Self::NotAnObject,
        Self::MissingEventName,
        Self::MissingDistinctId,
        Self::InvalidUuid,
        Self::InvalidProperties,
        Self::TooLarge,
        Self::Recording,
        Self::ClientWarning,
        Self::EventNameTooLong,
        Self::DistinctIdTooLong,
        Self::InvalidTimestamp,
        Self::InvalidOptions,
        Self::OptedOut,
        Self::Erased,
        Self::CookielessOff,
        Self::CookielessIncomplete,
        Self::CookielessDayOver,
        Self::CookielessIdentity,
        Self::Other,
    ];

    /// The stable name: in answers, metrics and the ledger.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::MissingEventName => "missing_event_name",
            Self::MissingDistinctId => "missing_distinct_id",
            Self::InvalidUuid => "invalid_uuid",
            Self::InvalidProperties => "invalid_properties",
            Self::TooLarge => "event_too_large",
            Self::Recording => "recording",
            Self::ClientWarning => "client_warning",
            Self::EventNameTooLong => "event_name_too_long",
            Self::DistinctIdTooLong => "distinct_id_too_large",
            Self::InvalidTimestamp => "invalid_event_timestamp",
            Self::InvalidOptions => "invalid_options",
            Self::OptedOut => "opted_out",
            Self::Erased => "erased",
            Self::CookielessOff => "cookieless_off",
            Self::CookielessIncomplete => "cookieless_incomplete",
            Self::CookielessDayOver => "cookieless_day_over",
            Self::CookielessIdentity => "cookieless_identity",
            Self::Other => "other",
        }
    }

    /// Where the reason stands in [`Rejection::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the sender did something wrong. A request of nothing but blameless events that are not kept is answered
    /// with success: sending it again, or an error in a browser's console, would help nobody.
    #[must_use]
    pub const fn is_mistake(self) -> bool {
        use Rejection as R;
        !matches!(
            self,
            R::Recording
                | R::ClientWarning
                | R::OptedOut
                | R::Erased
                | R::CookielessOff
                | R::CookielessIncomplete
                | R::CookielessDayOver
                | R::CookielessIdentity
        )
    }

    /// The reason with this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Rejection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::from_code(&code).unwrap_or(Self::Other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_knows_its_place_and_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = Rejection::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(names.len(), Rejection::ALL.len());
        assert!(Rejection::ALL.iter().enumerate().all(|(at, reason)| reason.index() == at));
    }
}
