//! Forms with files (`multipart/form-data`), in memory.

/// Most parts of a form.
const MAX_PARTS: usize = 50;

/// A field of a form, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub name: String,
    pub content: &'a [u8],
}

/// What stands between the parts, by the `Content-Type` of the form; none if it is no such form.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, params) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (1..=70).contains(&value.len()).then_some(value)
}

/// The parts of a form; none if it is cut short or has too many.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let delimiter = format!("\r\n--{boundary}");
    let mut found = Vec::new();
    let first = delimiter.as_bytes().strip_prefix(b"\r\n")?;
    let start = find(body, first)?;
    let mut rest = &body[start + first.len()..];
    loop {
        if rest.starts_with(b"--") {
            return Some(found);
        }
        rest = rest.get(find(rest, b"\r\n")? + 2..)?;
        let head_end = if rest.starts_with(b"\r\n") { 0 } else { find(rest, b"\r\n\r\n")? + 2 };
        let (head, tail) = rest.split_at(head_end);
        let tail = tail.get(2..)?;
        let end = find(tail, delimiter.as_bytes())?;
        found.push(Part { name: name(head)?, content: &tail[..end] });
        if found.len() > MAX_PARTS {
            return None;
        }
        rest = &tail[end + delimiter.len()..];
    }
}

/// `name="csv"` of a part's `Content-Disposition`.
fn name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    disposition.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("name").then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: &[u8] = b"--xx\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nMine\r\n--xx\r\n\
        Content-Disposition: form-data; name=\"csv\"; filename=\"ids.csv\"\r\nContent-Type: text/csv\r\n\r\na\r\nb\r\n\r\n--xx--\r\n";

    #[test]
    fn parts_are_what_stands_between() {
        let found = parts(FORM, "xx").expect("a form");
        let found: Vec<_> = found.iter().map(|part| (part.name.as_str(), part.content)).collect();
        assert_eq!(found, [("name", &b"Mine"[..]), ("csv", &b"a\r\nb\r\n"[..])]);
        assert_eq!(boundary("multipart/form-data; charset=utf-8; boundary=\"xx\"").as_deref(), Some("xx"));
        assert_eq!(boundary("application/json"), None);
    }

    #[test]
    fn a_form_that_is_cut_short_is_none() {
        for end in 0..FORM.len() - 4 {
            assert_eq!(parts(&FORM[..end], "xx"), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parts(&body, "x");
            let mut framed = b"--x\r\n".to_vec();
            framed.extend(body);
            let _ = parts(&framed, "x");
        }
    }
}
