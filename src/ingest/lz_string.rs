//! LZ-String's base64 form, which posthog-js of 2020 and 2021 sends (`compression=lz64`).
//!
//! An LZ78 code over UTF-16 units. A dictionary entry is what was just written plus the unit that follows it, so every
//! entry is a stretch of the output itself: the dictionary is a list of ranges, and the output's cap bounds all memory.

use super::inflate::{self, InflateError, UnpackLimits};

/// Code of a literal of 8 bits, of one of 16 bits, and of the end.
const LITERAL_8: usize = 0;
const LITERAL_16: usize = 1;
const END: usize = 2;

/// Unpacks what LZ-String's `compressToBase64` made. Lone surrogates become U+FFFD.
///
/// # Errors
/// If the text is not of that form, or more comes of it than `limits` allow.
pub fn decompress_from_base64(packed: &[u8], limits: UnpackLimits) -> Result<String, InflateError> {
    let mut bits = Bits { letters: packed, at: 0, mask: 0, value: 0 };
    let mut output: Vec<u16> = Vec::new();
    // The three codes above take the first three places.
    let mut entries: Vec<(usize, usize)> = vec![(0, 0); 3];
    let mut width = 2;
    let mut left_in_width = 1_usize;
    let mut previous: Option<(usize, usize)> = None;
    loop {
        let code = bits.take(width)?;
        let here = output.len();
        let entry = match code {
            END => break,
            LITERAL_8 | LITERAL_16 => {
                let unit = bits.take(if code == LITERAL_8 { 8 } else { 16 })?;
                output.push(u16::try_from(unit).expect("at most 16 bits were read"));
                entries.push((here, 1));
                left_in_width -= 1;
                if left_in_width == 0 {
                    left_in_width = 1 << width;
                    width += 1;
                }
                (here, 1)
            }
            known => {
                // The entry being made right now may already be named: what was written last, plus its own first unit.
                let next = previous.map(|(start, length)| (start, length + 1));
                let (start, length) = if known == entries.len() { next } else { entries.get(known).copied() }
                    .ok_or(InflateError::Damaged)?;
                // A unit is at least a byte of the text.
                inflate::check(here + length, packed.len(), limits)?;
                for at in start..start + length {
                    output.push(output[at]);
                }
                (here, length)
            }
        };
        if let Some((start, length)) = previous {
            entries.push((start, length + 1));
            left_in_width -= 1;
            if left_in_width == 0 {
                left_in_width = 1 << width;
                width += 1;
            }
        }
        previous = Some(entry);
    }
    let text = String::from_utf16_lossy(&output);
    inflate::check(text.len(), packed.len(), limits)?;
    Ok(text)
}

/// Reads base64 letters as a stream of bits: within a letter from the top, within a number from the bottom.
struct Bits<'a> {
    letters: &'a [u8],
    at: usize,
    mask: u8,
    value: u8,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, InflateError> {
        let mut number = 0;
        for place in 0..count {
            if self.mask == 0 {
                let letter = self.letters.get(self.at).ok_or(InflateError::Damaged)?;
                self.value = sextet(*letter).ok_or(InflateError::Damaged)?;
                self.at += 1;
                self.mask = 0b10_0000;
            }
            number |= usize::from(self.value & self.mask != 0) << place;
            self.mask >>= 1;
        }
        Ok(number)
    }
}

fn sextet(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        b'=' => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// The other direction, written plainly: only tests need it.
    fn compress_to_base64(text: &str) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bits: Vec<bool> = Vec::new();
        let mut put = |number: usize, count: usize| bits.extend((0..count).map(|place| number >> place & 1 == 1));
        let mut codes: HashMap<Vec<u16>, usize> = HashMap::new();
        let mut fresh: std::collections::HashSet<u16> = std::collections::HashSet::new();
        let (mut width, mut left, mut next) = (2, 2_usize, 3);
        let mut current: Vec<u16> = Vec::new();
        let mut write = |word: &[u16], codes: &HashMap<Vec<u16>, usize>, fresh: &mut std::collections::HashSet<u16>| {
            let grow = |left: &mut usize, width: &mut usize| {
                *left -= 1;
                if *left == 0 {
                    *left = 1 << *width;
                    *width += 1;
                }
            };
            if word.len() == 1 && fresh.remove(&word[0]) {
                let (code, count) = if word[0] < 256 { (LITERAL_8, 8) } else { (LITERAL_16, 16) };
                put(code, width);
                put(word[0].into(), count);
                grow(&mut left, &mut width);
            } else {
                put(codes[word], width);
            }
            grow(&mut left, &mut width);
            width
        };
        for unit in text.encode_utf16() {
            codes.entry(vec![unit]).or_insert_with(|| {
                next += 1;
                fresh.insert(unit);
                next - 1
            });
            let mut longer = current.clone();
            longer.push(unit);
            if codes.contains_key(&longer) {
                current = longer;
            } else {
                write(&current, &codes, &mut fresh);
                codes.insert(longer, next);
                next += 1;
                current = vec![unit];
            }
        }
        let mut end_width = 2;
        if !current.is_empty() {
            end_width = write(&current, &codes, &mut fresh);
        }
        put(END, end_width);
        bits.chunks(6)
            .map(|six| {
                let number = six.iter().enumerate().fold(0, |n, (place, bit)| n | usize::from(*bit) << (5 - place));
                char::from(LETTERS[number])
            })
            .collect()
    }

    #[test]
    fn texts_packed_by_the_original_unpack() {
        for (packed, text) in [("gbyl9NI=", "你好"), ("BYUwNmD2A0AECWsCGBbZtDUzkAA=", "hello, i am a 猫"), ("Q===", "")]
        {
            assert_eq!(decompress_from_base64(packed.as_bytes(), UnpackLimits::up_to(1 << 20)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_cut_text_is_damaged_and_not_half_an_event() {
        let packed = compress_to_base64("{\"event\":\"x\",\"properties\":{\"distinct_id\":\"u\"}}");
        for end in 0..packed.len() - 1 {
            assert_eq!(
                decompress_from_base64(&packed.as_bytes()[..end], UnpackLimits::up_to(1 << 20)),
                Err(InflateError::Damaged),
                "{end}"
            );
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = compress_to_base64(&"a".repeat(3 << 20));
        assert_eq!(
            decompress_from_base64(bomb.as_bytes(), UnpackLimits::up_to(usize::MAX)),
            Err(InflateError::TooDense { max_ratio: 100 })
        );
        let large = compress_to_base64(&"abc ".repeat(1000));
        assert_eq!(
            decompress_from_base64(large.as_bytes(), UnpackLimits::up_to(1000)),
            Err(InflateError::TooLarge { max_bytes: 1000 })
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "(?s).{0,300}") {
            prop_assert_eq!(decompress_from_base64(compress_to_base64(&text).as_bytes(), UnpackLimits::up_to(1 << 20)), Ok(text));
        }

        #[test]
        fn repetitive_text_comes_back(words in proptest::collection::vec("[ab猫]{1,3}", 0..400)) {
            let text = words.concat();
            prop_assert_eq!(decompress_from_base64(compress_to_base64(&text).as_bytes(), UnpackLimits::up_to(1 << 20)), Ok(text));
        }

        #[test]
        fn any_bytes_end_without_panic(packed in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decompress_from_base64(&packed, UnpackLimits::up_to(10_000));
        }
    }
}
