//! The seeds of the fuzz targets as requests: every form of a body that SDKs send is among them.

use std::fs;
use std::path::{Path, PathBuf};

/// Whom their events are for.
pub const KEY: &str = "phc_fuzz";

/// A request in parts.
pub struct Seed {
    /// Where it may be sent.
    pub paths: &'static [&'static str],
    pub query: String,
    /// Whole lines.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

/// A folder of seeds.
struct Kind {
    door: &'static str,
    paths: &'static [&'static str],
    /// What the first lines of a seed are: its query (`?`), the value of a header, or nothing to be sent.
    lines: &'static [&'static str],
    /// A header besides.
    header: Option<&'static str>,
}

const KINDS: [Kind; 4] = [
    Kind {
        door: "decode_body",
        paths: &["/e/", "/i/v0/e/", "/batch/", "/capture/", "/track/", "/i/v0/ai/batch/"],
        lines: &["?", "Content-Type: ", "Content-Encoding: "],
        header: None,
    },
    Kind { door: "event_batch", paths: &["/e/", "/batch/", "/engage/", "/s/"], lines: &["?", ""], header: None },
    Kind {
        door: "v1_batch",
        paths: &["/i/v1/analytics/events", "/i/v1/ai/events"],
        lines: &["Content-Encoding: ", ""],
        header: None,
    },
    Kind {
        door: "ai_form",
        paths: &["/i/v0/ai", "/i/v0/ai/"],
        lines: &["Content-Type: "],
        header: Some("Authorization: Bearer phc_fuzz"),
    },
];

/// The seeds of bodies, of batches of both versions of capture, and of forms.
pub fn all() -> Vec<Seed> {
    KINDS.iter().flat_map(|kind| files(kind.door).map(|file| read(&file, kind))).collect()
}

fn files(door: &str) -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(door);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter()
}

fn read(file: &Path, kind: &Kind) -> Seed {
    let bytes = fs::read(file).unwrap();
    let headers = kind.header.map(str::to_owned).into_iter().collect();
    let mut seed = Seed { paths: kind.paths, query: String::new(), headers, body: Vec::new() };
    let mut rest = &bytes[..];
    for name in kind.lines {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let text = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        match *name {
            "?" => text.clone_into(&mut seed.query),
            name if !name.is_empty() && !text.is_empty() => seed.headers.push(format!("{name}{text}")),
            _ => {}
        }
    }
    rest.clone_into(&mut seed.body);
    seed
}
