//! HTTP for people: one file per page with its handlers and its page struct; `templates/pages/` mirrors it.

pub mod errors;
pub mod events;
pub mod groups;
pub mod home;
pub mod ingestion;
pub mod insights;
pub mod invitation;
mod links;
pub mod login;
pub mod merges;
pub mod onboarding;
pub mod persons;
pub mod privacy;
pub mod sessions;
pub mod settings;
pub mod setup;
mod shell;
pub mod start;
pub mod status;
#[cfg(test)]
mod tests;
mod traffic;

pub use shell::{Section, Shell, ShellProject};
