//! An event between the door and the store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{ProjectId, Properties};

/// An event as it was accepted: valid, complete and storable. The spool holds these as JSON, one a frame entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedEvent {
    pub project_id: ProjectId,
    /// The sender's, or a v7 made at the door. With the project it is what an event counts once by.
    pub uuid: Uuid,
    /// 1 to 200 characters.
    pub event: String,
    /// 1 to 200 characters.
    pub distinct_id: String,
    /// When it happened, the sender's clock corrected.
    pub timestamp: Timestamp,
    /// When it came in.
    pub received_at: Timestamp,
    /// Normalised: storable in both stores. `$set`, `$set_once` and `$unset` of the event itself are laid over those in
    /// its properties and stand here.
    pub properties: Properties,
}
