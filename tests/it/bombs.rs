//! Bombs: few bytes that want to become very many, in every encoding that capture takes (RELIABILITY T1, S3).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use serde_json::json;

use crate::support::{Tenrec, eventually, gzip, zlib};

const KEY: &str = "phc_bombs";
/// What a body may become, by default.
const CAP: usize = 20 << 20;
/// What the bombs become if nobody stops them.
const BLAST: usize = 64 << 20;

fn base64(bytes: &[u8]) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes()
}

fn form(data: &[u8]) -> Vec<u8> {
    serde_urlencoded::to_string([("data", std::str::from_utf8(data).unwrap())]).unwrap().into_bytes()
}

/// Text that packs 60 : 1, so that only the cap stops it.
fn rather_dense(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 128);
    let mut number = 1_u32;
    while text.len() < bytes {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{number:08x}{}", " ".repeat(400)).as_bytes());
    }
    text
}

/// Frames of zstd: a window of `1 << exponent`, then blocks that each repeat one byte 128 K times (RFC 8878 §3.1.1.2).
fn zstd(exponent: u8, bytes: usize) -> Vec<u8> {
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3];
    let blocks = bytes >> 17;
    for block in 1..=blocks {
        let header = (128_u32 << 10) << 3 | 1 << 1 | u32::from(block == blocks);
        bomb.extend_from_slice(&header.to_le_bytes()[..3]);
        bomb.push(b' ');
    }
    bomb
}

/// 64 MB of zeros, as `brotli` packs them with a window of 16 MB.
const BROTLI: &str =
    "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfbfffcffffc73f0110870500baf7ff";
/// The same with the window of 256 MB that HTTP does not know.
const BROTLI_LARGE_WINDOW: &str = "115cfdff3ffe0980782c10907bff00";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// LZ-String of one letter so often: every code names the entry that is being made, one longer than the one before.
fn lz64(letters: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |number: usize, count: usize| bits.extend((0..count).map(|place| number >> place & 1 == 1));
    put(0, 2);
    put(b'a'.into(), 8);
    let (mut entries, mut width, mut left, mut written, mut longest) = (4, 3, 4_usize, 1, 1);
    while written < letters {
        put(entries, width);
        entries += 1;
        longest += 1;
        written += longest;
        left -= 1;
        if left == 0 {
            left = 1 << width;
            width += 1;
        }
    }
    put(2, width);
    let letter = |six: &[bool]| six.iter().enumerate().fold(0, |n, (at, bit)| n | usize::from(*bit) << (5 - at));
    bits.chunks(6).map(|six| ALPHABET[letter(six)]).collect()
}

struct Bomb {
    name: &'static str,
    /// Path with query.
    to: &'static str,
    headers: &'static str,
    body: Vec<u8>,
    status: u16,
}

fn bomb(name: &'static str, to: &'static str, headers: &'static str, body: Vec<u8>) -> Bomb {
    Bomb { name, to, headers, body, status: 413 }
}

fn bombs() -> Vec<Bomb> {
    const V1: &str = "/i/v1/analytics/events";
    let zeros = vec![0; BLAST];
    let spaces = vec![b' '; BLAST];
    let twice = gzip(&gzip(&zeros));
    assert!(twice.len() < 1000);
    let lz = lz64(BLAST);
    assert!(lz.len() < 64 << 10, "{}", lz.len());
    let capped = rather_dense(3 * CAP);
    let packed = gzip(&capped);
    assert!(capped.len() / packed.len() < 100, "the ratio alone would stop it");
    let mut many_members = Vec::new();
    for _ in 0..64 {
        many_members.extend(gzip(&zeros[..1 << 20]));
    }
    // Half a body: they are about what its values take, not its text.
    let short_values =
        |value: &str| format!(r#"{{"batch":[{}0]}}"#, format!("{value},").repeat((CAP / 2) / (value.len() + 1)));
    vec![
        bomb("nothing but empty objects", "/batch/", "", short_values("{}").into_bytes()),
        bomb("v1 nothing but empty lists", V1, "", short_values("[]").into_bytes()),
        bomb("gzip that nobody mentions", "/e/", "", gzip(&zeros)),
        bomb("gzip by header", "/batch/", "Content-Encoding: gzip\r\n", gzip(&spaces)),
        bomb("gzip by query", "/e/?compression=gzip-js", "", gzip(&spaces)),
        bomb("gzip of many members", "/e/", "", many_members),
        bomb("gzip below the ratio", "/e/", "", packed),
        bomb("gzip twice", "/e/", "", twice.clone()),
        bomb("gzip four times, in base64 between", "/e/", "", gzip(&base64(&gzip(&gzip(&zeros))))),
        bomb("deflate", "/e/", "Content-Encoding: deflate\r\n", zlib(&spaces)),
        bomb("lz64", "/e/?compression=lz64", "", lz.clone()),
        bomb("lz64 in a form", "/e/?compression=lz64", "", form(&lz)),
        bomb("base64", "/e/", "", base64(&gzip(&zeros))),
        bomb("base64 in a form", "/e/", "Content-Type: application/x-www-form-urlencoded\r\n", form(&base64(&twice))),
        bomb("flags", "/flags/?v=2", "", gzip(&zeros)),
        bomb("decide", "/decide/?v=3", "", gzip(&zeros)),
        bomb("engage", "/engage/", "", gzip(&zeros)),
        bomb("v1 gzip", V1, "Content-Encoding: gzip\r\n", gzip(&spaces)),
        bomb("v1 deflate", V1, "Content-Encoding: deflate\r\n", zlib(&spaces)),
        bomb("v1 brotli", V1, "Content-Encoding: br\r\n", hex(BROTLI)),
        bomb("v1 zstd", V1, "Content-Encoding: zstd\r\n", zstd(17, 8 * BLAST)),
        bomb("v1 zstd with a window of 16 MB", V1, "Content-Encoding: zstd\r\n", zstd(24, 1 << 17)),
        bomb("v1 zstd with a window of 1 TB", V1, "Content-Encoding: zstd\r\n", zstd(40, 1 << 17)),
        Bomb { status: 400, ..bomb("v1 large brotli", V1, "Content-Encoding: br\r\n", hex(BROTLI_LARGE_WINDOW)) },
        // What v0 does not take is not unpacked at all.
        Bomb { status: 415, ..bomb("v0 zstd", "/e/", "Content-Encoding: zstd\r\n", zstd(17, 8 * BLAST)) },
        Bomb { status: 415, ..bomb("v0 brotli", "/e/", "Content-Encoding: br\r\n", hex(BROTLI)) },
        Bomb { status: 400, ..bomb("gzip three times", "/e/", "", gzip(&gzip(&gzip(&zeros)))) },
        bomb("no bomb, only large", "/e/", "", vec![b' '; CAP + 1]),
    ]
}

/// Sends a request of its own making; gives the status.
fn send(address: &str, bomb: &Bomb, is_chunked: bool) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nUser-Agent: sdk/1\r\n\
         Authorization: Bearer {KEY}\r\nPostHog-Sdk-Info: sdk/1.0\r\nPostHog-Attempt: 1\r\n\
         PostHog-Request-Id: 01a1fbc5-56ec-700b-a097-8e6145c0d1af\r\n\
         PostHog-Request-Timestamp: 2026-11-01T12:00:00Z\r\n{}",
        bomb.to, bomb.headers
    );
    if !bomb.headers.contains("Content-Type") {
        head.push_str("Content-Type: application/json\r\n");
    }
    if is_chunked {
        stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
        // A server that has had enough answers before the end, and closes.
        let _ = bomb.body.chunks(10_000).try_for_each(|chunk| {
            stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            stream.write_all(chunk)?;
            stream.write_all(b"\r\n")
        });
        let _ = stream.write_all(b"0\r\n\r\n");
    } else {
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", bomb.body.len()).as_bytes()).unwrap();
        let _ = stream.write_all(&bomb.body);
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap_or_else(|e| panic!("{}: no answer: {e}", bomb.name));
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

/// A line of a process' status, in bytes.
fn memory(pid: u32, line: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_in_any_encoding_is_refused_and_costs_no_more_memory_than_two_bodies() {
    let dir = Tenrec::fresh_data_dir();
    let mut command = Tenrec::command(&dir, &["serve"]);
    command.envs([("TENREC_INIT_EMAIL", "ada@example.com"), ("TENREC_INIT_PASSWORD", "correct horse battery staple")]);
    command.env("TENREC_INIT_PROJECT_KEY", KEY);
    let mut tenrec = Tenrec::spawn(command, dir.clone());
    let url = tenrec.wait_until_ready();
    let address = url.strip_prefix("http://").unwrap();

    let event = json!({"api_key": KEY, "event": "x", "distinct_id": "u", "properties": {"a": " ".repeat(60_000)}});
    let good = Bomb { status: 200, ..bomb("no bomb", "/e/", "", gzip(event.to_string().as_bytes())) };
    assert_eq!(send(address, &good, false), 200);
    let mut worst = (0, "");
    for bomb in &bombs() {
        for is_chunked in [false, true] {
            // The peak is counted anew from here.
            fs::write(format!("/proc/{}/clear_refs", tenrec.pid()), "5").unwrap();
            let before = memory(tenrec.pid(), "VmRSS");
            assert_eq!(send(address, bomb, is_chunked), bomb.status, "{}, chunked: {is_chunked}", bomb.name);
            let grown = memory(tenrec.pid(), "VmHWM").saturating_sub(before);
            worst = worst.max((grown, bomb.name));
            assert!(grown <= 2 * CAP, "{} took {} MB", bomb.name, grown >> 20);
        }
    }
    println!("at most {} MB, for: {}", worst.0 >> 20, worst.1);
    assert_eq!(send(address, &good, true), 200);
    drop(tenrec);
    eventually("the directory can be removed", async || fs::remove_dir_all(dir.parent().unwrap()).ok()).await;
}
