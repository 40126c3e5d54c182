//! `POST /api/projects/{project}/query/`: any question about a project's data, in the shapes of PROTOCOL §7.3.

mod answer;
mod export;
mod run;
mod status;

pub use export::export;
pub use run::{QueryIn, run};
pub use status::{cancel, get_status};
