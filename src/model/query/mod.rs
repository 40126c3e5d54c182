//! Queries in the JSON shape of the public query API (PROTOCOL §7.3): what a page's form, a saved insight and the API hold.
//!
//! A value of these types is valid: names of kinds, operators and intervals were known when it was read, and what this
//! Tenrec cannot answer yet was refused by name. Fields nobody here knows are passed over, so that queries of newer tools
//! are read too. Times are still as written (`-7d`); [`TrendsQuery::resolve`] gives them their instants.

mod buckets;
mod date_range;
mod filter;
mod interval;
mod quarter_hours;
mod reader;
mod traffic;
mod trends;

pub use buckets::{Bucket, ResolvedRange};
pub use date_range::{DateBound, DateRange, Edge, RangeUnit};
pub use filter::{Conjunction, Operator, PropertyFilter, PropertyGroup, PropertyScope};
pub use interval::{Interval, WeekStart};
pub use reader::{InvalidQuery, Reader};
pub use traffic::Traffic;
pub use trends::{Breakdown, Display, Math, Series, TrendsQuery};
