//! Bodies packed as clients do it.

use std::io::Write;

use flate2::Compression;

/// As gzip, as small as it gets.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut into = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    into.write_all(bytes).unwrap();
    into.finish().unwrap()
}

/// The same as zlib.
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut into = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    into.write_all(bytes).unwrap();
    into.finish().unwrap()
}
