//! What Postgres needs on disk before it can run: its programs where its user can reach them, and a database cluster.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};
use serde::Deserialize;

use super::data_dir::check_passable;
use super::die_with_parent::die_with_parent;
use super::{DataDir, EmbeddedError, Parts};

/// The uid and gid under which Postgres runs when Tenrec is root: `nobody` and its group on most systems.
const NOBODY: u32 = 65534;
/// The database superuser, and the database.
pub(super) const DATABASE: &str = "tenrec";

/// Postgres' programs and data, ready to run.
#[derive(Debug, Clone)]
pub(super) struct PostgresFiles {
    /// The directory of `bin`, `lib` and `share`.
    pub programs: PathBuf,
    /// The database cluster.
    pub cluster: PathBuf,
    /// Another user to run as, if Tenrec is root.
    pub runs_as: Option<u32>,
}

impl PostgresFiles {
    /// Puts everything in place; on the first start this creates the database cluster.
    pub fn prepare(data: &DataDir, parts: &Parts) -> Result<Self, EmbeddedError> {
        let runs_as = Uid::effective().is_root().then_some(NOBODY);
        if let Some(uid) = runs_as {
            check_passable(data.path(), uid)?;
        }
        let user = runs_as.map_or_else(Uid::effective, Uid::from_raw);
        // Looking it up may fail for other reasons; then Postgres finds out.
        if let Ok(None) = User::from_uid(user) {
            return Err(EmbeddedError::NamelessUser { uid: user.as_raw() });
        }
        let native = parts.postgres()?;
        let version = parts.postgres_version().unwrap_or_else(|| "unknown".to_owned());
        let programs = if runs_as.is_none() && links_are_there(&native) {
            native
        } else {
            copy_programs(&native, data.path(), &version)?
        };
        let files = Self { programs, cluster: data.path().join("postgres"), runs_as };
        files.check_version(&version)?;
        if !files.cluster.join("PG_VERSION").exists() {
            files.create_cluster()?;
        }
        Ok(files)
    }

    /// A command of Postgres, as its user and with nothing of our environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join("bin").join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        // Ours may be a directory that its user cannot enter.
        command.current_dir("/");
        if let Some(uid) = self.runs_as {
            command.uid(uid).gid(uid);
        }
        command
    }

    fn check_version(&self, version: &str) -> Result<(), EmbeddedError> {
        let Ok(found) = fs::read_to_string(self.cluster.join("PG_VERSION")) else { return Ok(()) };
        let ours = version.split('.').next().unwrap_or_default();
        if found.trim() == ours || version == "unknown" {
            return Ok(());
        }
        let found = found.trim().to_owned();
        Err(EmbeddedError::OtherPostgres { dir: self.cluster.clone(), found, ours: ours.to_owned() })
    }

    /// Creates the cluster under another name and renames it when it is whole: one that was interrupted is never taken for
    /// a good one.
    fn create_cluster(&self) -> Result<(), EmbeddedError> {
        tracing::info!("Creating the Postgres database in {} (first start only)", self.cluster.display());
        let unfinished = self.cluster.with_extension("new");
        if unfinished.exists() {
            tracing::info!("Removing {}, which an interrupted first start left", unfinished.display());
            fs::remove_dir_all(&unfinished).map_err(EmbeddedError::file("remove", &unfinished))?;
        }
        fs::create_dir(&unfinished).map_err(EmbeddedError::file("create", &unfinished))?;
        if let Some(uid) = self.runs_as {
            chown(&unfinished, Some(uid), Some(uid))
                .map_err(EmbeddedError::file("change the owner of", &unfinished))?;
        }
        let mut initdb = self.command("initdb");
        initdb.arg("--pgdata").arg(&unfinished).args(["--username", DATABASE, "--auth=trust", "--encoding=UTF8"]);
        initdb.args(["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"]);
        run(initdb, "")?;
        let mut single = self.command("postgres");
        single.args(["--single", "-j", "-D"]).arg(&unfinished).arg("postgres");
        run(single, &format!("CREATE DATABASE {DATABASE};\n\n"))?;
        fs::rename(&unfinished, &self.cluster).map_err(EmbeddedError::file("rename", &unfinished))?;
        let parent = self.cluster.parent().expect("the cluster is in the data directory");
        fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(EmbeddedError::file("sync", parent))
    }
}

/// Runs a program to its end.
fn run(mut command: Command, input: &str) -> Result<(), EmbeddedError> {
    let failed = |reason: String| EmbeddedError::Start { name: "Postgres", reason };
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    die_with_parent(&mut command, Signal::SIGKILL);
    let mut child = command.spawn().map_err(|e| failed(format!("could not run {program}: {e}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended early says why in its output.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| failed(format!("could not wait for {program}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let told = text.lines().find(|l| l.contains("error:") || l.contains("FATAL")).or(text.lines().last());
    Err(failed(format!("{program}: {} ({})", told.unwrap_or_default().trim(), output.status)))
}

/// A link that the package's archive could not hold.
#[derive(Debug, Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

impl Link {
    /// What links to what, both below the directory of `bin` and `lib`.
    fn below_native(&self) -> Option<(&Path, &Path)> {
        Some((self.source.strip_prefix("native").ok()?, self.target.strip_prefix("native").ok()?))
    }
}

fn links(native: &Path) -> Result<Vec<Link>, EmbeddedError> {
    let path = native.join("pg-symlinks.json");
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| EmbeddedError::file("read", &path)(e.into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(EmbeddedError::file("read", &path)(e)),
    }
}

fn links_are_there(native: &Path) -> bool {
    links(native)
        .is_ok_and(|links| links.iter().filter_map(Link::below_native).all(|(_, target)| native.join(target).exists()))
}

/// Copies the programs into the data directory, once per version, and makes the links between their libraries.
fn copy_programs(native: &Path, data: &Path, version: &str) -> Result<PathBuf, EmbeddedError> {
    let to = data.join(format!("postgres-bin-{version}"));
    if to.is_dir() {
        return Ok(to);
    }
    let unfinished = data.join("postgres-bin.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(EmbeddedError::file("remove", &unfinished))?;
    }
    copy_tree(native, &unfinished)?;
    for link in links(native)? {
        let Some((source, target)) = link.below_native() else { continue };
        let (Some(name), target) = (source.file_name(), unfinished.join(target)) else { continue };
        match symlink(name, &target) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(EmbeddedError::file("link", &target)(e)),
            _ => {}
        }
    }
    remove_other_versions(data);
    fs::rename(&unfinished, &to).map_err(EmbeddedError::file("rename", &unfinished))?;
    Ok(to)
}

/// Copies files with their modes, and makes links into files; what is only for building against Postgres stays behind.
fn copy_tree(from: &Path, to: &Path) -> Result<(), EmbeddedError> {
    fs::create_dir(to).map_err(EmbeddedError::file("create", to))?;
    for entry in fs::read_dir(from).map_err(EmbeddedError::file("read", from))? {
        let path = entry.map_err(EmbeddedError::file("read", from))?.path();
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        if path.is_dir() {
            if name != "pkgconfig" && name != "pgxs" {
                copy_tree(&path, &target)?;
            }
        } else if path.extension().is_none_or(|e| e != "a") {
            fs::copy(&path, &target).map_err(EmbeddedError::file("copy", &path))?;
        }
    }
    Ok(())
}

/// The copies of older packages; what cannot be removed only takes space.
fn remove_other_versions(data: &Path) {
    let Ok(entries) = fs::read_dir(data) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("postgres-bin-") {
            let _ = fs::remove_dir_all(&path);
        }
    }
}
