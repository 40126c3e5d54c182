//! The seeds, and a few thousand changes of each kind to them: always the same ones.

use std::fs;
use std::path::{Path, PathBuf};

use super::DOORS;

/// Changes of each seed folder.
const ROUNDS: u64 = 1500;

fn folder(door: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(door)
}

fn seeds(door: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder(door)).unwrap_or_else(|e| panic!("{door} has no seeds: {e}"));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("it can be read").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("it can be read")).collect()
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end as u64).expect("it is below a usize")
    }
}

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        let end = at + dice.below((bytes.len() - at).min(40) + 1);
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = [0, 0xff, b'"', b'{', b']', b'\n', b'%', b'9'][dice.below(8)],
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at.max(4)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let from = dice.below(other.len() + 1);
                let to = from + dice.below((other.len() - from).min(60) + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
}

/// One that cannot be read at all is no way into what comes after.
#[test]
fn bodies_can_be_read_unless_their_packing_is_not_taken() {
    let files = fs::read_dir(folder("decode_body")).expect("there are seeds");
    let mut refused: Vec<_> = files
        .map(|file| file.expect("it can be read").path())
        .filter(|path| super::decoded(&fs::read(path).expect("it can be read"), |_| ()).is_none())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    refused.sort();
    assert_eq!(refused, ["br", "zstd"]);
}

#[test]
fn every_door_stands_its_seeds_and_what_becomes_of_them() {
    for door in DOORS {
        let seeds = seeds(door.name);
        assert!(seeds.len() >= 3, "{} needs more seeds", door.name);
        seeds.iter().for_each(|seed| (door.enter)(seed));
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        // A spool writes files.
        let rounds = if door.name == "spool" { ROUNDS / 5 } else { ROUNDS };
        for round in 0..rounds {
            let mut data = seeds[dice.below(seeds.len())].clone();
            let other = &seeds[dice.below(seeds.len())];
            mutate(&mut dice, &mut data, other);
            let result = std::panic::catch_unwind(|| (door.enter)(&data));
            assert!(result.is_ok(), "{} round {round}: {}", door.name, data.escape_ascii());
        }
    }
}

/// Name and version of each package in a lock file, with what it needs.
fn locked(file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it can be read");
    let packages = text.split("[[package]]\nname = \"").skip(1);
    let cut = packages.filter_map(|package| package.split_once("\"\nversion = \""));
    cut.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

#[test]
fn the_fuzz_program_is_built_of_what_tenrec_is_built_of() {
    const ONLY_THERE: [&str; 4] = ["arbitrary", "jobserver", "libfuzzer-sys", "tenrec-fuzz"];
    let version = |rest: &str| rest.split('"').next().map(str::to_owned);
    let ours: Vec<_> = locked("Cargo.lock").into_iter().map(|(name, rest)| (name, version(&rest))).collect();
    let theirs = locked("fuzz/Cargo.lock");
    for (name, rest) in &theirs {
        let package = (name.clone(), version(rest));
        assert!(ours.contains(&package) || ONLY_THERE.contains(&name.as_str()), "{package:?} is of another version");
    }

    let (_, needs) = theirs.iter().find(|(name, _)| name == "tenrec").expect("it is in there");
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("it is there");
    let (_, rest) = manifest.split_once("\n[dependencies]\n").expect("there are dependencies");
    for line in rest.lines().take_while(|line| !line.starts_with('[')) {
        let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with([' ', '#'])) else { continue };
        assert!(needs.contains(&format!(" \"{name}")), "fuzz/Cargo.lock does not know {name}");
    }
}
