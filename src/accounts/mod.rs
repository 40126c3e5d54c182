//! Users, organizations, projects, keys and roles: who may sign in, and what is theirs.

mod common_passwords;
mod error;
pub mod invitations;
pub mod keys;
pub mod members;
mod password;
mod provision;
pub mod setup;
pub mod sign_ins;
pub mod users;
mod values;

pub use error::AccountsError;
pub use password::{InvalidPassword, NewPassword};
pub use provision::{ProvisionError, Provisioned, provision};
pub use values::{DisplayName, EmailAddress, InvalidEmailAddress, InvalidName};
