//! What machines call: capture, flags, the API of projects and queries, health.

pub mod actions;
mod body;
pub mod capture;
pub mod capture_limit;
pub mod capture_v1;
mod cohort_form;
mod cohort_people;
pub mod cohorts;
pub mod cors;
mod cursor;
mod definitions;
pub mod errors;
pub mod flags;
pub mod groups;
pub mod groups_edit;
pub mod health;
pub mod ingestion;
mod multipart;
mod page;
pub mod persons;
pub mod persons_edit;
pub mod persons_erase;
pub mod persons_part;
pub mod privacy;
pub mod projects;
pub mod property_definitions;
pub mod query;
pub mod remote_config;
pub mod sdk_bundles;
pub mod side_channels;
pub mod users;

pub use page::Page;
