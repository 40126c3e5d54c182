//! Persons, their distinct ids and groups: who did it.
//!
//! [`Identity::hold`] and [`Held::decide`] take the events of a batch in their order and say for each which person it belongs
//! to and what was known of that person then. The rules are pure ([`world`], [`person_properties`], [`groups`], [`legal`]);
//! Postgres is asked once for all ids of the batch and told once what changed, in one transaction that holds the lock of each
//! project.
//!
//! # What an event does
//!
//! | event or property | effect | where |
//! |---|---|---|
//! | `$identify` | joins `$anon_distinct_id` to its distinct id; with or without one, its person is identified | `World::happen` |
//! | `$create_alias` | joins `alias` to its distinct id; the person is identified | `World::join_as_asked` |
//! | `$merge_dangerously` | the same, also if the other is identified | `World::join_as_asked` |
//! | `$set`, `$set_once` (either name) | always writes properties | `Operations::of` |
//! | `$groupidentify` | lays `$group_set` over the group's properties | `Groups::identify` |
//! | `$groups` on any event | the event gets `$group_0` to `$group_4`; types take places as they first appear, five at most | `Groups::of` |
//! | properties `$set_once`, `$set`, `$unset` | in this order, the event's own over those in its properties (laid over by capture) | `Operations` |
//! | page, device, campaign, geoip properties | latest as they are, first as `$initial_…`; null never replaces; no `$os…` from servers | `Operations::copy` |
//! | only noisy keys change | not written, unless the event is one of the above or the person's first | `Operations::apply` |
//! | `$exception`, `$$heatmap` | never touch a person's properties | `Operations::of` |
//! | `$process_person_profile: false` | no profile is made or written; events that join ids are dropped, what is told of a group counts; `$set…`, `$unset`, `$initial_…` are removed | `World::happen_personless`, the pipeline's insert |
//! | … and the id belongs to a person | stored as that person's; with its properties if the person existed a minute before the event | `World::happen_personless` |
//! | … any other value | counted as `invalid_process_person_profile`, treated as true | `World::happen` |
//! | an illegal id in a merge | counted, not merged, stored all the same | [`legal`] |
//! | the other is identified | counted, not merged, stored all the same | `World::join` |
//!
//! The person modes of the SDKs come down to `$process_person_profile`: `always` never sends false, `identified_only` sends it
//! until somebody is identified, `never` always.
//!
//! # The number on an event
//!
//! An event row carries a [`PersonId`](crate::model::PersonId), and it is never rewritten. Every distinct id has one number
//! for ever: the id that a person was made for has the person's, an id that was given to a person has the hash of itself, and
//! so has an id of nobody. Override rows say to which person a number belongs:
//!
//! - an id of nobody is given to a person: the hash of the id → the person;
//! - a person is made for an id: the hash of the id → the person. Only in projects that ever had an event without a profile:
//!   elsewhere nothing has such a number;
//! - two persons are merged: the other's number → the surviving person, and whatever led to the other now leads there, so
//!   that one look-up always ends it.
//!
//! Overrides are written in the transaction that decides them and copied to ClickHouse afterwards
//! ([`Identity::mirror`]); a crash between the two leaves them marked as pending.
//!
//! # Undone
//!
//! Because numbers stay apart, a merge can be undone at any time: the overrides of those who leave are written again, and no
//! event row changes. Every merge is a link between the numbers of the two ids it named, in the merge log; links that stand
//! form trees, and a person is what hangs together. An undone merge parts a tree in two ([`parting`]), whatever was merged
//! before or after: who came by way of an id goes with that id. The profile of a merged person is kept for that.
//!
//! An event that comes after the undoing and asks for the same merge merges again; the same event, repeated after a crash,
//! does not.
//!
//! # Done twice
//!
//! A batch may be resolved again after a crash. The outcome is the same persons with the same properties: merges find one
//! person where there were two, `$set_once` finds its keys, `$set` and `$unset` are replayed in order. Only the properties
//! noted on events of such a batch may then be those of its end.

mod by_hand;
mod edits;
mod groups;
mod legal;
mod parting;
mod person_properties;
mod resolve;
mod subject;
mod world;

#[cfg(test)]
mod tests;

pub use by_hand::{HandError, MAX_SPLIT, Part, SplitOff};
pub use groups::{GroupKey, MAX_GROUP_TYPES};
pub use parting::CannotPart;
pub use resolve::{Decision, Held, Identity, IdentityError, Resolution};
pub use subject::{Dropped, Resolved, Subject, Warning};
