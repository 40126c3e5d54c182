//! Insights: from a query value to an answer.
//!
//! [`run_query`] answers a question of any kind; [`run_trends`] is the same for pages, which ask for trends. [`saved`]
//! keeps questions, [`home`] the dashboard every project has; [`explore`] reads single events and people.

mod answer;
pub mod definitions;
mod error;
pub mod explore;
mod funnels;
mod ground;
pub mod home;
mod lifecycle;
mod overrides;
mod paths;
mod query;
mod retention;
pub mod running;
pub mod saved;
pub mod sql;
pub mod starter;
mod stickiness;
pub mod suggestions;
mod trends;
mod web;

pub use answer::{Period, TrendResult, TrendsAnswer, ValueOf};
pub use error::InsightError;
pub use overrides::with_overrides;
pub use query::{QUERY_KINDS, QueryAnswer, QueryContext, run_query};
pub use trends::run_trends;
