//! From the text of a formula to its steps.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = sign { ("*" | "/" | "%") sign }
//! sign    = ("-" | "+") sign | power
//! power   = operand [ "**" sign ]
//! operand = number | letter | "(" sum ")"
//! ```

use super::formula::{Operator, Step};

const MAX_CHARS: usize = 1_000;
/// Deepest nesting of parentheses, signs and powers.
const MAX_DEPTH: usize = 100;

/// Reads a formula over so many series.
///
/// # Errors
/// What is wrong with it and at which character, counted from 1.
pub(super) fn parse(text: &str, series_count: usize) -> Result<Vec<Step>, String> {
    let chars: Vec<char> = text.chars().take(MAX_CHARS + 1).collect();
    if chars.len() > MAX_CHARS {
        return Err(format!("a formula has at most {MAX_CHARS} characters"));
    }
    let mut parser = Parser { chars: &chars, at: 0, series_count, steps: Vec::new() };
    parser.sum(0)?;
    match parser.peek() {
        None => Ok(parser.steps),
        Some(')') => Err(parser.wrong("no parenthesis is open that this one could close")),
        Some('(') => Err(parser.wrong("an operator is missing before the parenthesis")),
        Some('^') => Err(parser.wrong("a power is written **")),
        Some(other) => Err(parser.wrong(&format!("one of + - * / % ** is needed here, not {other:?}"))),
    }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    series_count: usize,
    steps: Vec<Step>,
}

impl Parser<'_> {
    fn sum(&mut self, depth: usize) -> Result<(), String> {
        self.product(depth)?;
        loop {
            let operator = match self.peek() {
                Some('+') => Operator::Add,
                Some('-') => Operator::Subtract,
                _ => return Ok(()),
            };
            self.at += 1;
            self.product(depth)?;
            self.steps.push(Step::Combine(operator));
        }
    }

    fn product(&mut self, depth: usize) -> Result<(), String> {
        self.sign(depth)?;
        loop {
            let operator = match self.peek() {
                Some('*') if self.chars.get(self.at + 1) != Some(&'*') => Operator::Multiply,
                Some('/') => Operator::Divide,
                Some('%') => Operator::Remainder,
                _ => return Ok(()),
            };
            self.at += 1;
            self.sign(depth)?;
            self.steps.push(Step::Combine(operator));
        }
    }

    fn sign(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("this is nested too deep"));
        }
        match self.peek() {
            Some('-') => {
                self.at += 1;
                self.sign(depth + 1)?;
                self.steps.push(Step::Negate);
                Ok(())
            }
            Some('+') => {
                self.at += 1;
                self.sign(depth + 1)
            }
            _ => self.power(depth),
        }
    }

    fn power(&mut self, depth: usize) -> Result<(), String> {
        self.operand(depth)?;
        if self.peek() == Some('*') && self.chars.get(self.at + 1) == Some(&'*') {
            self.at += 2;
            self.sign(depth + 1)?;
            self.steps.push(Step::Combine(Operator::Power));
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize) -> Result<(), String> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.sum(depth + 1)?;
                if self.peek() != Some(')') {
                    return Err(self.wrong("a closing parenthesis is missing"));
                }
                self.at += 1;
                Ok(())
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.letter(),
            Some(other) => Err(self.wrong(&format!("a series or a number is needed here, not {other:?}"))),
            None => Err(self.wrong("the formula ends where a series or a number is needed")),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let start = self.at;
        self.digits();
        if self.next_is('.') {
            self.at += 1;
            self.digits();
        }
        if self.next_is('e') || self.next_is('E') {
            let before = self.at;
            self.at += 1;
            if self.next_is('-') || self.next_is('+') {
                self.at += 1;
            }
            let first = self.at;
            self.digits();
            // `2e` is no number; that an operator is missing before the letter is said by who reads on.
            self.at = if self.at == first { before } else { self.at };
        }
        let text: String = self.chars[start..self.at].iter().collect();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.steps.push(Step::Number(number));
                Ok(())
            }
            _ => {
                self.at = start;
                Err(self.wrong(&format!("{text} is no number")))
            }
        }
    }

    fn letter(&mut self) -> Result<(), String> {
        let start = self.at;
        while self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect::<String>().to_ascii_uppercase();
        let is_call = self.peek() == Some('(');
        self.at = start;
        let &[letter] = word.as_bytes() else {
            return Err(self.wrong(&if is_call {
                format!("formulas have no functions such as {word}; a series says itself what is counted")
            } else {
                format!("a series is one letter, not {word}")
            }));
        };
        let series = usize::from(letter - b'A');
        if series >= self.series_count {
            let last = u8::try_from(self.series_count).unwrap_or(26).clamp(1, 26) - 1;
            let known = if last == 0 { "only A".to_owned() } else { format!("A to {}", char::from(b'A' + last)) };
            return Err(self.wrong(&format!("there is no series {word}; the query has {known}")));
        }
        self.at += 1;
        self.steps.push(Step::Series(series));
        Ok(())
    }

    fn digits(&mut self) {
        while self.chars.get(self.at).is_some_and(char::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn next_is(&self, c: char) -> bool {
        self.chars.get(self.at) == Some(&c)
    }

    /// The next character that is no space, which is then the next one.
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn wrong(&self, reason: &str) -> String {
        format!("{reason}, at character {}", self.at + 1)
    }
}
