//! What `api` and `web` share: state, extractors, middleware, the accept loop, the embedded front end.

pub mod assets;
mod auth;
mod client_ip;
mod cookie;
mod download;
mod errors;
mod forms;
mod insights;
pub mod middleware;
mod next;
mod pace;
mod peers;
mod rate_limit;
mod reload;
mod security_headers;
mod serve;
mod site;
mod state;

pub use auth::{ApiProjectAccess, ApiUser, ProjectAccess, SignedIn};
pub use client_ip::ClientIp;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use client_ip::find as find_client_ip;
pub use cookie::SignInCookie;
pub use errors::{ApiError, Cause, ErrorPage, WebError};
pub use forms::{FieldErrors, Form, form_again, page, page_with_status};
pub use next::safe_next;
pub use rate_limit::{AccountDelays, KeyedLimit, Limits};
pub use reload::Reload;
pub use serve::{ConnectionLimits, serve_connections};
pub use site::Site;
pub use state::{AppState, Parts};
