//! Holds the module heights of `src/lib.rs`: a module imports only from lower ones.

use std::fs;
use std::path::Path;

const HEIGHTS: &[&[&str]] = &[
    &["model", "config", "sql"],
    &["telemetry"],
    &["storage", "engine", "embedded"],
    &["identity", "accounts"],
    &["ingest", "insights"],
    &["privacy"],
    &["http", "demo"],
    &["api", "web"],
    &["app", "cli"],
    &["fuzz_doors"],
];

fn height(module: &str) -> Option<usize> {
    HEIGHTS.iter().position(|row| row.contains(&module))
}

fn may_import(from: &str, to: &str) -> bool {
    // cli hands over to app: the only pair on one height that may.
    from == to || (from == "cli" && to == "app") || height(to) < height(from)
}

/// The top-level modules that a source text names after `crate::`, comments left out.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let names = group.split('}').next().unwrap_or_default();
            found.extend(names.split(',').map(|n| n.trim().split("::").next().unwrap_or_default().to_owned()));
        } else {
            found.push(part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

fn rust_files(dir: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn modules_import_only_from_lower_heights() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("it was found there");
        let from =
            inside.iter().next().expect("a file has a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        if from == "lib" || from == "main" {
            continue;
        }
        assert!(height(&from).is_some(), "{from} has no height in tests/it/layering.rs");
        for to in imports(&fs::read_to_string(&file).expect("a source file is text")) {
            if height(&to).is_some() && !may_import(&from, &to) {
                wrong.push(format!("{} imports crate::{to}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the heights:\n{}", wrong.join("\n"));
}

#[test]
fn only_storage_holds_a_database_client() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let clients = ["PgPool", "sqlx::query", "clickhouse::Client", "clickhouse::query"];
    for file in files.iter().filter(|f| !f.starts_with(src.join("storage"))) {
        let text = fs::read_to_string(file).expect("a source file is text");
        for client in clients {
            assert!(!text.contains(client), "{} holds {client}: statements belong in src/storage", file.display());
        }
    }
}
