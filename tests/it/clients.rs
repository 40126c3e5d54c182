//! `tenrec engine` against ClickHouse's own clients for Python and Node (see `tests/clients/README.md`).

use std::path::Path;
use std::process::Command;

use crate::support::{Engine, repository};

fn check(program: &Path, script: &str, needs: &Path, install: &str) {
    assert!(needs.exists(), "{} is missing; install it with: {install}", needs.display());
    let tcp = Engine::start_on_tcp("a password");
    let output = Command::new(program)
        .arg(repository().join("tests/clients").join(script))
        .args([&tcp.url, "a password"])
        .current_dir(repository())
        .output()
        .unwrap_or_else(|error| panic!("could not run {}: {error}", program.display()));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script} failed:\n{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_python_client_finds_a_clickhouse() {
    let python = repository().join(".venv/bin/python");
    let install = "python3 -m venv .venv && .venv/bin/pip install -q -r tests/clients/requirements.txt";
    check(&python, "clickhouse_connect_check.py", &python, install);
}

#[test]
fn the_node_client_finds_a_clickhouse() {
    let package = repository().join("node_modules/@clickhouse/client/package.json");
    check(Path::new("node"), "clickhouse_client_check.mjs", &package, "npm ci");
}
