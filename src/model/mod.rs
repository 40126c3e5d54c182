//! The words of the product as types: ids, keys, time, properties, queries. No I/O.

mod api_key;
pub mod channel;
mod clock;
mod ids;
pub mod person_property;
mod project;
mod properties;
pub mod property_columns;
pub mod query;
mod recent;
pub mod session;
mod time_zone;
mod token_bucket;
mod user;
pub mod value_kinds;

pub use api_key::{InvalidApiKey, PersonalApiKey, ProjectApiKey, random_secret, secret_hash};
pub use clock::Clock;
pub use ids::{
    ActionId, COOKIELESS_PREFIX, CohortId, DashboardId, InsightId, InvitationId, OrganizationId, PersonId,
    PersonalApiKeyId, ProjectId, SignInId, UserId,
};
pub use project::{Project, ProjectSettings, Role};
pub use properties::Properties;
pub use recent::Recent;
pub use time_zone::{InvalidTimeZone, TimeZoneName};
pub use token_bucket::TokenBuckets;
pub use user::{Organization, User};
