//! LZ-String's base64 form, as browsers sent it until 2021. Tenrec only unpacks it.

use std::collections::HashMap;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Packs a text: an LZ78 code over UTF-16 units, in which an entry is announced by its unit when it is new.
pub fn compress(text: &str) -> String {
    let mut out = Writer { bits: Vec::new(), width: 2, left: 2 };
    // An entry is the code of all but its last unit, and that unit.
    let mut entries: HashMap<(usize, u16), usize> = HashMap::new();
    let mut singles: HashMap<u16, usize> = HashMap::new();
    let mut next = 3;
    let mut current: Option<(usize, Option<u16>)> = None;
    for unit in text.encode_utf16() {
        let mut is_new = false;
        let single = *singles.entry(unit).or_insert_with(|| {
            is_new = true;
            next += 1;
            next - 1
        });
        let begun = (single, is_new.then_some(unit));
        current = Some(match current {
            None => begun,
            Some((code, announced)) => match entries.get(&(code, unit)) {
                Some(longer) if announced.is_none() => (*longer, None),
                _ => {
                    out.entry(code, announced);
                    entries.insert((code, unit), next);
                    next += 1;
                    begun
                }
            },
        });
    }
    if let Some((code, announced)) = current {
        out.entry(code, announced);
    }
    let width = out.width;
    out.number(2, width);
    out.letters()
}

struct Writer {
    bits: Vec<bool>,
    width: usize,
    /// Codes that may still be given before they need one more bit.
    left: usize,
}

impl Writer {
    fn entry(&mut self, code: usize, announced: Option<u16>) {
        let width = self.width;
        match announced {
            Some(unit) => {
                let (kind, bits) = if unit < 256 { (0, 8) } else { (1, 16) };
                self.number(kind, width);
                self.number(unit.into(), bits);
                self.count();
            }
            None => self.number(code, width),
        }
        self.count();
    }

    fn count(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = 1 << self.width;
            self.width += 1;
        }
    }

    fn number(&mut self, number: usize, count: usize) {
        self.bits.extend((0..count).map(|place| number >> place & 1 == 1));
    }

    fn letters(&self) -> String {
        let letter = |six: &[bool]| {
            let number = six.iter().enumerate().fold(0, |sum, (place, bit)| sum | usize::from(*bit) << (5 - place));
            char::from(LETTERS[number])
        };
        self.bits.chunks(6).map(letter).collect()
    }
}
