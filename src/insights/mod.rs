//! Insights: from a query value to an answer.
//!
//! [`run_trends`] resolves a query's dates in the project's time zone, asks the store one statement a series, and lays
//! the numbers over the buckets. [`saved`] keeps questions, [`home`] the dashboard every project has; [`explore`] reads
//! single events and people.

mod answer;
pub mod definitions;
mod error;
pub mod explore;
mod ground;
pub mod home;
mod lifecycle;
mod query;
pub mod saved;
pub mod sql;
pub mod starter;
mod stickiness;
pub mod suggestions;
mod trends;

pub use answer::{Period, TrendResult, TrendsAnswer, ValueOf};
pub use error::InsightError;
pub use query::{QUERY_KINDS, QueryAnswer, QueryContext, run_query};
pub use trends::run_trends;
