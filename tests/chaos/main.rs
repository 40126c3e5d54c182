//! What happens to events when things break: the test plan's durability part, on the real program and the real stores.
//!
//! An [`oracle`] issues events, each with a uuid of its own and a hash of what it says. [`drivers`] send them in every form
//! of the [`wire`] that SDKs use, as SDKs do: again with the same uuid when there is no answer, and some twice at once. An
//! event that was answered with success is a promise. Meanwhile something is broken. Then it gets quiet: one more event is
//! sent, and when that is stored, everything before it must be. The [`judge`] reads both stores directly: every promise is
//! kept once and to the letter, nothing is there twice, nothing is there that was never sent, and persons are as their events
//! say.
//!
//! | file | what is broken |
//! |---|---|
//! | `clock` | R12 the system's clock set forward and back |
//! | `crash_points` | R4 Tenrec and the engine killed before each single touch of the disk |
//! | `disk_full` | R10 no space for the spool, for the engine, for anything |
//! | `kills` | R1 Tenrec killed, R2 the engine killed, R3 Tenrec, engine and Postgres killed at once |
//! | `outages` | R6 ClickHouse stands still, or its port is closed; R9 Postgres is killed, or stands still |
//! | `ambiguous` | R7 a proxy before ClickHouse loses answers, delays them, and answers 500 |
//! | `poison` | R8 values of every kind that breaks parsers and stores, among good ones |
//! | `two_instances` | nothing; but two Tenrecs work on the same stores |
//!
//! How much is run, and the seed: see [`plan`]. Short with `cargo test`; `make chaos` runs more, with figures.

mod ambiguous;
mod clock;
mod crash_points;
mod disk_full;
mod drivers;
mod judge;
mod kills;
mod lz64;
mod oracle;
mod outages;
mod plan;
mod poison;
mod proxy;
mod rng;
mod self_test;
mod support;
mod traced;
mod tracer;
mod two_instances;
mod wire;
mod world;
