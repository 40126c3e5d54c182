//! Bytes to stored events: decode, parse, normalise, spool (or queue, see [`intake`]), resolve, store.
//!
//! [`Door`] is the way in; what it does is in files of those names. Behind the spool, nothing is refused any more.

mod accepted;
pub mod ai_event;
pub mod cookieless;
pub mod decode;
mod door;
pub mod elements;
pub mod enrich;
pub mod erased_id;
pub mod event;
pub mod glance;
mod inflate;
pub mod intake;
pub mod json;
pub mod ledger;
mod lz_string;
pub mod multipart;
pub mod normalise;
pub mod parse;
pub mod pipeline;
mod project_keys;
mod refusal;
mod rejected;
mod request;
pub mod scanned;
pub mod sessions;
pub mod spool;
pub mod timestamp;
pub mod trace;
pub mod v1;

pub use accepted::AcceptedEvent;
pub use door::{Accepted, Door};
pub use inflate::{InflateError, UnpackLimits};
pub use refusal::{CaptureError, RETRY_AFTER_SECONDS, Rejection};
pub use rejected::{Arrivals, RejectedEvent};
pub use request::{CaptureRequest, CheckedEvents, Glanced, ReadRequest};
