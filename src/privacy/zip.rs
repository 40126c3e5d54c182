//! A zip file as a stream: what was written can be taken away at any time, so that memory holds one file's window and the
//! names, however large the whole becomes. Sizes stand behind each file, in 64 bits.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;
/// The version that reads 64-bit sizes, and the flags: sizes follow, names are UTF-8.
const VERSION: u16 = 45;
const FLAGS: u16 = (1 << 3) | (1 << 11);
const DEFLATED: u16 = 8;
/// 1980-01-01, the first day that the format knows: when a file was made is told inside.
const DATE: u16 = 0x0021;

/// One file's entry in the directory.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    crc: u32,
    packed: u64,
    plain: u64,
    at: u64,
}

/// Writes a zip file; see the module.
#[derive(Debug, Default)]
pub(super) struct Zip {
    out: Vec<u8>,
    /// Bytes that were taken away.
    taken: u64,
    entries: Vec<Entry>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    name: &'static str,
    at: u64,
    crc: crc32fast::Hasher,
    plain: u64,
    packed: u64,
    deflate: DeflateEncoder<Vec<u8>>,
}

impl Zip {
    /// Begins a file; the one before ends.
    pub fn begin(&mut self, name: &'static str) {
        self.end();
        let at = self.position();
        self.put32(LOCAL);
        self.put_common(0, u64::MAX, u64::MAX, name);
        self.put16(20);
        self.out.extend_from_slice(name.as_bytes());
        self.put_sizes(0, 0);
        let deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        self.open = Some(Open { name, at, crc: crc32fast::Hasher::new(), plain: 0, packed: 0, deflate });
    }

    /// Adds to the file that was begun.
    pub fn write(&mut self, bytes: &[u8]) {
        let Some(open) = &mut self.open else { return };
        open.crc.update(bytes);
        open.plain += bytes.len() as u64;
        open.deflate.write_all(bytes).expect("writing to memory does not fail");
        let packed = std::mem::take(open.deflate.get_mut());
        open.packed += packed.len() as u64;
        self.out.extend(packed);
    }

    fn end(&mut self) {
        let Some(open) = self.open.take() else { return };
        let rest = open.deflate.finish().expect("writing to memory does not fail");
        let entry = Entry {
            name: open.name,
            crc: open.crc.finalize(),
            packed: open.packed + rest.len() as u64,
            plain: open.plain,
            at: open.at,
        };
        self.out.extend(rest);
        self.put32(DESCRIPTOR);
        self.put32(entry.crc);
        self.put64(entry.packed);
        self.put64(entry.plain);
        self.entries.push(entry);
    }

    /// Takes away what is ready, if it is so many bytes at least.
    pub fn take(&mut self, at_least: usize) -> Option<Vec<u8>> {
        if self.out.len() < at_least {
            return None;
        }
        self.taken += self.out.len() as u64;
        Some(std::mem::take(&mut self.out))
    }

    /// Ends the last file and writes the directory; gives what was not taken yet.
    pub fn finish(mut self) -> Vec<u8> {
        self.end();
        let start = self.position();
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.put32(CENTRAL);
            self.put16(VERSION);
            self.put_common(entry.crc, u64::MAX, u64::MAX, entry.name);
            self.put16(28);
            for _ in 0..3 {
                self.put16(0); // comment, disk, attributes
            }
            self.put32(0);
            self.put32(u32::MAX);
            self.out.extend_from_slice(entry.name.as_bytes());
            self.put16(1);
            self.put16(24);
            self.put64(entry.plain);
            self.put64(entry.packed);
            self.put64(entry.at);
        }
        let (end, count) = (self.position(), entries.len() as u64);
        self.put32(END_64);
        self.put64(44);
        self.put16(VERSION);
        self.put16(VERSION);
        self.put32(0);
        self.put32(0);
        for value in [count, count, end - start, start] {
            self.put64(value);
        }
        self.put32(LOCATOR_64);
        self.put32(0);
        self.put64(end);
        self.put32(1);
        self.put32(END);
        for value in [0, 0, u16::MAX, u16::MAX] {
            self.put16(value);
        }
        self.put32(u32::MAX);
        self.put32(u32::MAX);
        self.put16(0);
        self.out
    }

    fn position(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// From the needed version to the length of the name.
    fn put_common(&mut self, crc: u32, packed: u64, plain: u64, name: &str) {
        for value in [VERSION, FLAGS, DEFLATED, 0, DATE] {
            self.put16(value);
        }
        self.put32(crc);
        self.put32(u32::try_from(packed).unwrap_or(u32::MAX));
        self.put32(u32::try_from(plain).unwrap_or(u32::MAX));
        self.put16(u16::try_from(name.len()).expect("our names are short"));
    }

    /// The extra field with 64-bit sizes.
    fn put_sizes(&mut self, plain: u64, packed: u64) {
        self.put16(1);
        self.put16(16);
        self.put64(plain);
        self.put64(packed);
    }

    fn put16(&mut self, value: u16) {
        self.out.extend(value.to_le_bytes());
    }

    fn put32(&mut self, value: u32) {
        self.out.extend(value.to_le_bytes());
    }

    fn put64(&mut self, value: u64) {
        self.out.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn another_program_reads_what_was_written_in_parts() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("all.zip");
        let mut zip = Zip::default();
        let mut bytes = Vec::new();
        zip.begin("a.txt");
        zip.write("één".as_bytes());
        zip.begin("empty.jsonl");
        zip.begin("b.jsonl");
        for n in 0..100_000 {
            zip.write(format!("{{\"n\":{n}}}\n").as_bytes());
            bytes.extend(zip.take(1 << 16).unwrap_or_default());
        }
        assert!(bytes.len() > 1 << 17, "it was taken in parts");
        bytes.extend(zip.finish());
        std::fs::write(&path, bytes).expect("written");
        let script = "import sys, zipfile\n\
                      z = zipfile.ZipFile(sys.argv[1])\n\
                      assert z.testzip() is None\n\
                      assert z.namelist() == ['a.txt', 'empty.jsonl', 'b.jsonl'], z.namelist()\n\
                      assert z.read('a.txt').decode() == '\\u00e9\\u00e9n'\n\
                      assert z.read('empty.jsonl') == b''\n\
                      lines = z.read('b.jsonl').splitlines()\n\
                      assert len(lines) == 100000 and lines[-1] == b'{\"n\":99999}'\n";
        let read = Command::new("python3").args(["-c", script]).arg(&path).output().expect("python3 runs");
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}
