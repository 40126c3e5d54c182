//! `POST /api/projects/{project}/query/`: any question about a project's data, in the shapes of PROTOCOL §7.3.

mod answer;
mod run;

pub use run::{QueryIn, run};
