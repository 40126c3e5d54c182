use std::io::Write;

use proptest::prelude::*;

use super::*;

const JSON: &[u8] = r#"{"event":"Grüße","distinct_id":"u?>~"}"#.as_bytes();

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut into = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    into.write_all(bytes).expect("memory takes all");
    into.finish().expect("memory takes all")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut into = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    into.write_all(bytes).expect("memory takes all");
    into.finish().expect("memory takes all")
}

fn base64_of(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    serde_urlencoded::to_string(pairs).expect("pairs of text").into_bytes()
}

#[test]
fn every_combination_that_senders_use_is_understood() {
    let coded = base64_of(JSON);
    let no_padding = coded.trim_end_matches('=').to_owned();
    let url_safe = coded.replace('+', "-").replace('/', "_");
    let with_spaces = format!("data={}", coded.replace('+', " "));
    let cases: Vec<(&str, Encoded<'_>, Vec<u8>)> = vec![
        ("plain", Encoded::default(), JSON.to_vec()),
        ("plain with a byte order mark", Encoded::default(), [b"\xef\xbb\xbf ", JSON].concat()),
        ("gzip that nobody mentions", Encoded { content_type: Some("text/plain"), ..Encoded::default() }, gzip(JSON)),
        ("gzip by header", Encoded { content_encoding: Some("gzip"), ..Encoded::default() }, gzip(JSON)),
        ("gzip by query", Encoded { query: "compression=gzip-js&_=1", ..Encoded::default() }, gzip(JSON)),
        ("header kept, body unpacked", Encoded { content_encoding: Some("gzip"), ..Encoded::default() }, JSON.to_vec()),
        ("packed twice", Encoded { content_encoding: Some("gzip"), ..Encoded::default() }, gzip(&gzip(JSON))),
        ("deflate", Encoded { content_encoding: Some("deflate"), ..Encoded::default() }, zlib(JSON)),
        ("an unknown hint over JSON", Encoded { query: "compression=br", ..Encoded::default() }, JSON.to_vec()),
        ("base64 body", Encoded::default(), coded.clone().into_bytes()),
        ("base64 without padding", Encoded::default(), no_padding.into_bytes()),
        ("base64 with the letters of URLs", Encoded::default(), url_safe.into_bytes()),
        ("base64 of gzip", Encoded::default(), base64_of(&gzip(JSON)).into_bytes()),
        ("form", Encoded::default(), form(&[("data", &coded), ("compression", "base64")])),
        ("form whose plus became a space", Encoded::default(), with_spaces.into_bytes()),
        (
            "form of plain JSON",
            Encoded { content_type: Some("application/x-www-form-urlencoded; charset=UTF-8"), ..Encoded::default() },
            form(&[("ip", "1"), ("data", std::str::from_utf8(JSON).expect("it is text"))]),
        ),
        (
            "JSON that claims to be a form",
            Encoded { content_type: Some("application/x-www-form-urlencoded"), ..Encoded::default() },
            JSON.to_vec(),
        ),
    ];
    for (name, request, body) in cases {
        let decoded = decode(&Encoded { body: &body, ..request }, UnpackLimits::up_to(1 << 20));
        let text = decoded.unwrap_or_else(|e| panic!("{name}: {e}"));
        let text = text.strip_prefix(b"\xef\xbb\xbf ").unwrap_or(&text);
        assert_eq!(text, JSON, "{name}");
    }
}

#[test]
fn data_in_the_query_goes_before_the_body() {
    let query = String::from_utf8(form(&[("ip", "1"), ("data", &base64_of(JSON))])).expect("it is text");
    let request = Encoded { query: &query, body: b"{}", ..Encoded::default() };
    assert_eq!(decode(&request, UnpackLimits::up_to(1 << 20)).as_deref(), Ok(JSON));
}

#[test]
fn what_is_not_taken_is_refused_by_name() {
    let error = |request: Encoded<'_>| decode(&request, UnpackLimits::up_to(1000)).expect_err("it is no JSON");
    assert_eq!(error(Encoded::default()), DecodeError::Empty);
    assert_eq!(error(Encoded { query: "data=", ..Encoded::default() }), DecodeError::Empty);
    assert_eq!(error(Encoded { body: b"hello, world", ..Encoded::default() }), DecodeError::NotJson);
    let zstd = Encoded { body: &[0x28, 0xb5, 0x2f, 0xfd, 0], ..Encoded::default() };
    assert_eq!(error(zstd), DecodeError::UnsupportedEncoding("zstd"));
    let brotli = Encoded { body: &[0x8b, 0x02, 0x80, 0x03], content_encoding: Some("br"), ..Encoded::default() };
    assert_eq!(error(brotli), DecodeError::UnsupportedEncoding("br"));
    let large = Encoded { body: &[b'{'; 1001], ..Encoded::default() };
    assert_eq!(error(large), InflateError::TooLarge { max_bytes: 1000 }.into());
    let bomb = gzip(&vec![b'['; 50 << 20]);
    let bomb = Encoded { body: &bomb, ..Encoded::default() };
    assert_eq!(decode(&bomb, UnpackLimits::up_to(20 << 20)), Err(InflateError::TooDense { max_ratio: 100 }.into()));
    let bomb_in_base64 = base64_of(bomb.body);
    let bomb_in_base64 = Encoded { body: bomb_in_base64.as_bytes(), ..Encoded::default() };
    assert_eq!(
        decode(&bomb_in_base64, UnpackLimits::up_to(20 << 20)),
        Err(InflateError::TooDense { max_ratio: 100 }.into())
    );
}

proptest! {
    #[test]
    fn any_request_ends_without_panic_and_within_the_cap(
        body in proptest::collection::vec(any::<u8>(), 0..400),
        magic in prop_oneof![Just(&b""[..]), Just(GZIP_MAGIC), Just(&b"data="[..]), Just(ZSTD_MAGIC)],
        hint in prop_oneof![Just(None), Just(Some("gzip")), Just(Some("lz64")), Just(Some("deflate")), Just(Some("?"))],
        query in ".{0,40}",
    ) {
        let body = [magic, &body].concat();
        let request = Encoded { query: &query, content_type: None, content_encoding: hint, body: &body };
        if let Ok(data) = decode(&request, UnpackLimits::up_to(500)) {
            prop_assert!(data.len() <= 500);
        }
    }

    #[test]
    fn any_json_survives_any_packing(text in "\\{.{0,200}", layers in proptest::collection::vec(0..2_u8, 0..3)) {
        let mut body = text.clone().into_bytes();
        for layer in layers {
            // Gzip outside base64 outside gzip is as deep as senders go; base64 twice is not one of them.
            body = if layer == 0 || !looks_like_json(&body) && !body.starts_with(GZIP_MAGIC) {
                gzip(&body)
            } else {
                base64_of(&body).into_bytes()
            };
        }
        let request = Encoded { body: &body, ..Encoded::default() };
        let decoded = decode(&request, UnpackLimits::up_to(1 << 20));
        prop_assert_eq!(decoded.as_deref(), Ok(text.as_bytes()));
    }
}
