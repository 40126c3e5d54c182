//! `multipart/form-data` bodies: how clients send a query together with its parameters.

use super::super::error::EngineError;

/// The boundary named by a content type, if it is multipart.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    value.filter(|boundary| !boundary.is_empty())
}

/// The form's fields in order. Refuses files: the engine's server would read them as tables.
pub fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, EngineError> {
    let malformed = || EngineError::bad_arguments("The multipart body is malformed");
    let delimiter = format!("--{boundary}");
    let separator = format!("\r\n{delimiter}");
    let mut rest = body.strip_prefix(delimiter.as_bytes()).ok_or_else(malformed)?;
    let mut fields = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(fields);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or_else(malformed)?;
        let head_end = find(rest, b"\r\n\r\n").ok_or_else(malformed)?;
        let head = std::str::from_utf8(&rest[..head_end]).map_err(|_| malformed())?;
        rest = &rest[head_end + 4..];
        let value_end = find(rest, separator.as_bytes()).ok_or_else(malformed)?;
        let disposition = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
            .map(|(_, value)| value)
            .ok_or_else(malformed)?;
        if disposition_value(disposition, "filename").is_some() {
            return Err(EngineError::not_implemented("External data tables are not supported by the embedded engine"));
        }
        let name = disposition_value(disposition, "name").ok_or_else(malformed)?;
        fields.push((name.to_owned(), String::from_utf8_lossy(&rest[..value_end]).into_owned()));
        rest = &rest[value_end + separator.len()..];
    }
}

fn disposition_value<'a>(disposition: &'a str, wanted: &str) -> Option<&'a str> {
    disposition.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_whole() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT\r\n--y {a:String}\r\n--x\r\nContent-Disposition: form-data; name=\"param_a\"\r\nContent-Type: text/plain\r\n\r\n\r\n--x--\r\n";
        let fields = fields(body, "x").unwrap();
        assert_eq!(
            fields,
            [("query".to_owned(), "SELECT\r\n--y {a:String}".to_owned()), ("param_a".to_owned(), String::new())]
        );
    }

    #[test]
    fn a_file_is_refused_by_name_of_the_feature() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--x--";
        assert_eq!(fields(body, "x").unwrap_err().name(), "NOT_IMPLEMENTED");
    }

    #[test]
    fn boundaries_are_found() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"abc\""), Some("abc"));
        assert_eq!(boundary("text/plain; boundary=abc"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_without_panic(body: Vec<u8>) {
            let _ = fields(&body, "x");
            let _ = fields(&[b"--x\r\n".as_slice(), &body].concat(), "x");
        }
    }
}
