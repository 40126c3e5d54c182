//! Web analytics: an overview of visits, and tables of them by page, source, device and place.
//!
//! A visit is a session. The overview counts sessions that began in the range; a table counts views in the range, and
//! where it is compared with the range before, again those of the sessions that began in each. Visitors without cookies
//! count here, each day anew: there is no page of the web that does without them.

mod asked;
mod breakdown;
mod goals;
mod overview;
mod pages;
mod table;

pub use goals::run_web_goals;
pub use overview::run_web_overview;
pub use table::run_web_table;
