//! Persons and their distinct ids: who did it.
//!
//! [`Identity::resolve`] takes the events of a batch in their order and says for each which person it belongs to and what was
//! known of that person then. The rules are pure ([`world`], [`person_properties`], [`legal`]); Postgres is asked once for all
//! ids of the batch and told once what changed, in one transaction that holds the lock of each project.
//!
//! # Two kinds of number
//!
//! An event row carries a [`PersonId`](crate::model::PersonId). A person with a profile has the number Postgres gave out. An
//! event with `$process_person_profile: false`, whose distinct id belongs to nobody, has the hash of that id, and Postgres
//! hears nothing of it. Event rows are never rewritten; that numbers have become a person is said by override rows:
//!
//! - a distinct id gets its first profile (found or created for an event, or joined by a merge): the hash of the id → the
//!   person. Only in projects that ever had an event without a profile: elsewhere nothing has such a number;
//! - two persons are merged: the other's number → the surviving person, and whatever led to the other now leads there, so
//!   that one look-up always ends it.
//!
//! Overrides are written in the transaction that decides them and copied to ClickHouse afterwards
//! ([`Identity::mirror_overrides`]); a crash between the two leaves them marked as pending.
//!
//! # Done twice
//!
//! A batch may be resolved again after a crash. The outcome is the same persons with the same properties: merges find one
//! person where there were two, `$set_once` finds its keys, `$set` and `$unset` are replayed in order. Only the properties
//! noted on events of such a batch may then be those of its end.

mod legal;
mod person_properties;
mod resolve;
mod world;

#[cfg(test)]
mod tests;

pub use resolve::{Identity, IdentityError, Resolution};
pub use world::{Dropped, Resolved, Subject, Warning};
