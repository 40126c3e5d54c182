//! Bodies packed as nobody asked for, and damaged.

use base64::Engine as _;

use super::Dice;
use crate::support::{gzip, zlib};

/// Changes, drops, repeats and adds bytes.
pub fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = at + dice.below((bytes.len() - at).min(16) + 1);
        match dice.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let added = dice.roll().to_le_bytes();
                bytes.splice(at..at, added[..1 + dice.below(8)].iter().copied());
            }
        }
    }
}

/// Packs a body once or twice, and may damage it in between.
pub fn packed(dice: &mut Dice, mut body: Vec<u8>) -> Vec<u8> {
    for _ in 0..dice.below(3) {
        if dice.one_in(6) {
            mutate(dice, &mut body);
        }
        body = match dice.below(5) {
            0 | 1 => gzip(&body),
            2 => zlib(&body),
            3 => base64::engine::general_purpose::STANDARD.encode(&body).into_bytes(),
            _ => {
                let data = String::from_utf8_lossy(&body).into_owned();
                serde_urlencoded::to_string([("data", data)]).unwrap().into_bytes()
            }
        };
    }
    if dice.one_in(6) {
        mutate(dice, &mut body);
    }
    body
}
