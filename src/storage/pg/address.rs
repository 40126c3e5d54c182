//! Where Postgres is.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

/// Where Postgres is.
#[derive(Debug, Clone)]
pub enum PgAddress {
    /// A server, by its URL.
    Server(InvisibleUrl),
    /// The embedded one: the directory of its socket; user and database have one name.
    Socket { dir: PathBuf, database: String },
}

/// A URL with a password in it: parsed when made, never printed.
#[derive(Clone)]
pub struct InvisibleUrl(Box<PgConnectOptions>);

impl std::fmt::Debug for InvisibleUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// A URL that does not name a Postgres server.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL must look like postgres://user:password@host:5432/database: {0}")]
pub struct InvalidDatabaseUrl(String);

impl std::str::FromStr for PgAddress {
    type Err = InvalidDatabaseUrl;

    /// Reads `postgres://…`, with libpq's options such as `sslmode` in its query.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if !s.starts_with("postgres://") && !s.starts_with("postgresql://") {
            return Err(InvalidDatabaseUrl("it does not start with postgres://".to_owned()));
        }
        s.parse()
            .map(|options| Self::Server(InvisibleUrl(Box::new(options))))
            .map_err(|e: sqlx::Error| InvalidDatabaseUrl(e.to_string()))
    }
}

impl PgAddress {
    /// What a connection needs.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        match self {
            Self::Server(url) => (*url.0).clone(),
            Self::Socket { dir, database } => {
                PgConnectOptions::new_without_pgpass().socket(dir).port(5432).username("tenrec").database(database)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_and_never_printed() {
        let address: PgAddress = "postgres://u:secret@db.example/app".parse().expect("a server");
        assert!(!format!("{address:?}").contains("secret"));
        assert_eq!(address.options().get_database(), Some("app"));
        assert!("mysql://u@h/db".parse::<PgAddress>().is_err());
        assert!("".parse::<PgAddress>().is_err());
    }
}
