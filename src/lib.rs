//! Tenrec: a self-hosted product-analytics server.
//!
//! # The path of an event
//!
//! 1. An SDK posts to a capture endpoint ([`api::capture`]). The body is inflated and decoded by evidence, not by version
//!    ([`ingest::decode`]). Of a plain request only a glance is taken ([`ingest::glance`]): whose it is, and that nothing in
//!    it will be refused; the rest of the work on it is done behind the spool ([`ingest::scanned`]). Any other is parsed into
//!    events ([`ingest::parse`]), checked and made storable ([`ingest::normalise`]) at once, and what cannot be an event is
//!    refused here, by name. The project key names the project; what the request tells of its sender is added
//!    ([`ingest::enrich`]).
//! 2. The events are appended to the spool ([`ingest::spool`]): a segment file, one fsync for all who wait. Only then the
//!    SDK hears `200`. From here on nothing may be lost. (Where the disk is not kept, they wait in memory instead and the SDK
//!    hears `200` after step 4: [`ingest::intake`].)
//! 3. The pipeline ([`ingest::pipeline`]) reads the spool in order, a batch at a time, leaves out by uuid what is stored
//!    already, and resolves who did the rest in one transaction of Postgres ([`identity`]).
//! 4. They go to ClickHouse in one insert per month ([`storage::ch`]), every well-known property in a column of its own.
//!    What they say about their sessions is added to those ([`ingest::sessions`]). An event that a store refuses for what it
//!    contains goes to the quarantine, a file.
//! 5. What became of each event, also of those refused in step 1, is added to the ledger ([`ingest::ledger`]), and the spool's
//!    cursor moves on. [`ingest::trace`] answers where an event is.
//! 6. A crash between any two steps repeats the batch and changes nothing.
//!
//! # The path of a question
//!
//! A page's form becomes a query value in the shape of the public query API ([`model::query`]); [`insights`] validates it,
//! prints SQL with server-side parameters and the project filter in it, runs it read-only and shapes the answer; [`web`]
//! renders a table, and script draws the chart from the table.
//!
//! # The end of a person's data
//!
//! [`privacy`] exports and erases people: Postgres at once, the rest as a job that goes on after a crash. The pipeline leaves out
//! what was sent before.
//!
//! # Who may import whom
//!
//! Modules stand on heights and import only from lower ones; `tests/it/layering.rs` holds the list and checks it.

pub mod config;
pub mod model;
pub mod sql;

pub mod telemetry;

pub mod embedded;
pub mod engine;
pub mod storage;

pub mod accounts;
pub mod identity;

pub mod ingest;
pub mod insights;

pub mod privacy;

pub mod demo;
pub mod http;

pub mod api;
pub mod web;

pub mod app;
pub mod cli;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz_doors;
