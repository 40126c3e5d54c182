//! `/api/projects/{project}/query/`, and what a project's questions go by.

mod endpoint;
