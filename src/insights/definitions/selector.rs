//! CSS selectors over the chain of elements that an autocaptured event carries (`elements_chain`), as patterns.
//!
//! A chain goes from the element that was clicked to the root: `button.buy:attr_id="b"text="Buy";div.list:nth-child="2"`.
//! Classes and attributes of an element are sorted.

use std::fmt::Write as _;

/// A value in quotes.
const QUOTED: &str = r#""(?:[^"\\]|\\(?s:.))*""#;
/// All that may follow inside an element.
const REST: &str = r#"(?:[^;"]|"(?:[^"\\]|\\(?s:.))*")*"#;
/// The value behind its first quote, up to the last.
const INSIDE: &str = r#"(?:[^"\\]|\\(?s:.))*"#;

const MAX_BYTES: usize = 1_000;
const MAX_PARTS: usize = 30;

/// The pattern of chains that hold such an element; it is a regular expression of RE2.
///
/// # Errors
/// If it is no selector, or one that asks for what a chain does not say; the error says what.
pub fn selector_pattern(selector: &str) -> Result<String, String> {
    if selector.len() > MAX_BYTES {
        return Err(format!("a selector has at most {MAX_BYTES} bytes"));
    }
    let mut chars = Chars { rest: selector.trim() };
    let mut ways = Vec::new();
    loop {
        ways.push(one_way(&mut chars)?);
        if !chars.take(',') {
            break;
        }
        chars.skip_spaces();
    }
    if ways.len() > MAX_PARTS {
        return Err("the selector has too many parts".to_owned());
    }
    Ok(format!("^(?:{REST};)*(?:{})(?:;|$)", ways.join("|")))
}

/// The pattern of chains that hold an element with this tag.
#[must_use]
pub fn tag_pattern(tag: &str) -> String {
    format!("^(?:{REST};)*{}(?:[.:;]|$)", literal(tag))
}

/// What stands for a value in the chain: quotes have a backslash before them.
#[must_use]
pub fn in_chain(value: &str) -> String {
    value.replace('"', "\\\"")
}

struct Chars<'a> {
    rest: &'a str,
}

impl Chars<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let first = self.peek()?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.next();
        }
        is_next
    }

    fn skip_spaces(&mut self) -> bool {
        let trimmed = self.rest.trim_start();
        let has_skipped = trimmed.len() < self.rest.len();
        self.rest = trimmed;
        has_skipped
    }

    /// A name; a backslash makes any character part of it.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.next();
                    name.extend(self.next());
                }
                c if c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii() => name.extend(self.next()),
                _ => break,
            }
        }
        name
    }

    fn quoted_or_name(&mut self) -> Result<String, String> {
        let Some(quote) = self.peek().filter(|c| matches!(c, '"' | '\'')) else { return Ok(self.name()) };
        self.next();
        let mut value = String::new();
        loop {
            match self.next() {
                None => return Err("a quote is not closed".to_owned()),
                Some(c) if c == quote => return Ok(value),
                Some('\\') => value.extend(self.next()),
                Some(c) => value.push(c),
            }
        }
    }
}

/// What one element must be.
#[derive(Debug, Default)]
struct Compound {
    tag: Option<String>,
    classes: Vec<String>,
    /// Names in the chain, and the pattern of what follows.
    attributes: Vec<(String, String)>,
}

/// A selector without commas: elements, and what stands between them.
fn one_way(chars: &mut Chars<'_>) -> Result<String, String> {
    let mut parts = vec![(false, compound(chars)?)];
    loop {
        let has_spaces = chars.skip_spaces();
        let is_child = chars.take('>');
        chars.skip_spaces();
        match chars.peek() {
            None | Some(',') if !is_child => break,
            Some('+' | '~') => return Err("a chain does not say which elements stand beside each other".to_owned()),
            _ if has_spaces || is_child => parts.push((is_child, compound(chars)?)),
            Some(other) => return Err(format!("{other:?} is not understood")),
            None => return Err("an element is needed after >".to_owned()),
        }
        if parts.len() > MAX_PARTS {
            return Err("the selector has too many parts".to_owned());
        }
    }
    // The chain goes from the inside to the outside.
    let mut pattern = String::new();
    for (at, (is_child, part)) in parts.iter().enumerate().rev() {
        pattern.push_str(&part.pattern());
        if at > 0 {
            pattern.push(';');
            if !is_child {
                let _ = write!(pattern, "(?:{REST};)*");
            }
        }
    }
    Ok(pattern)
}

fn compound(chars: &mut Chars<'_>) -> Result<Compound, String> {
    let mut found = Compound::default();
    let before = chars.rest.len();
    if !chars.take('*') {
        found.tag = Some(chars.name()).filter(|name| !name.is_empty());
    }
    loop {
        match chars.peek() {
            Some('.') => {
                chars.next();
                found.classes.push(named(chars.name(), "a class")?);
            }
            Some('#') => {
                chars.next();
                let id = named(chars.name(), "an id")?;
                found.attributes.push(("attr_id".to_owned(), equal_to(&id)));
            }
            Some('[') => {
                chars.next();
                found.attributes.push(attribute(chars)?);
            }
            Some(':') => {
                chars.next();
                let name = chars.name();
                if !matches!(name.as_str(), "nth-child" | "nth-of-type") || !chars.take('(') {
                    return Err(format!(":{name} is not understood; :nth-child(1) and :nth-of-type(1) are"));
                }
                let number = chars.name();
                if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) || !chars.take(')') {
                    return Err(format!(":{name} takes a number"));
                }
                found.attributes.push((name, equal_to(&number)));
            }
            _ => break,
        }
        if found.classes.len() + found.attributes.len() > MAX_PARTS {
            return Err("the selector has too many parts".to_owned());
        }
    }
    if chars.rest.len() == before {
        let next = chars.peek().map_or("an element is needed".to_owned(), |c| format!("{c:?} is not understood"));
        return Err(next);
    }
    found.classes.sort();
    found.attributes.sort();
    Ok(found)
}

fn named(name: String, what: &str) -> Result<String, String> {
    if name.is_empty() { Err(format!("the name of {what} is needed")) } else { Ok(name) }
}

/// Behind `[`.
fn attribute(chars: &mut Chars<'_>) -> Result<(String, String), String> {
    chars.skip_spaces();
    let name = match named(chars.name(), "an attribute")?.as_str() {
        "id" => "attr_id".to_owned(),
        plain @ ("href" | "text" | "nth-child" | "nth-of-type") => plain.to_owned(),
        other => format!("attr__{other}"),
    };
    chars.skip_spaces();
    let operator = chars.peek().filter(|c| matches!(c, '^' | '$' | '*'));
    if operator.is_some() {
        chars.next();
    }
    if !chars.take('=') {
        return match (operator, chars.take(']')) {
            (None, true) => Ok((name, QUOTED.to_owned())),
            _ => {
                Err("an attribute is written as [name], [name=\"value\"], [name^=…], [name$=…] or [name*=…]".to_owned())
            }
        };
    }
    chars.skip_spaces();
    let value = chars.quoted_or_name()?;
    chars.skip_spaces();
    if !chars.take(']') {
        return Err("] is missing after an attribute".to_owned());
    }
    let text = literal(&in_chain(&value));
    let pattern = match operator {
        None => format!("\"{text}\""),
        Some('^') => format!("\"{text}{INSIDE}\""),
        Some('$') => format!("\"{INSIDE}{text}\""),
        Some(_) => format!("\"{INSIDE}{text}{INSIDE}\""),
    };
    Ok((name, pattern))
}

fn equal_to(value: &str) -> String {
    format!("\"{}\"", literal(&in_chain(value)))
}

impl Compound {
    fn pattern(&self) -> String {
        let mut pattern = self.tag.as_deref().map_or_else(|| r#"[^.:;"]*"#.to_owned(), literal);
        for class in &self.classes {
            let _ = write!(pattern, r#"(?:\.[^;"]*)?\.{}"#, literal(class));
        }
        for (at, (name, value)) in self.attributes.iter().enumerate() {
            // A name begins behind the colon or behind another value.
            match at {
                0 => write!(pattern, "(?::|[.:]{REST}(?::|{QUOTED}))"),
                _ => write!(pattern, "(?:{REST}{QUOTED})?"),
            }
            .expect("a text takes text");
            let _ = write!(pattern, "{}={value}", literal(name));
        }
        pattern.push_str(&if self.attributes.is_empty() { format!("(?:[.:]{REST})?") } else { REST.to_owned() });
        pattern
    }
}

/// A text as a pattern of itself.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
