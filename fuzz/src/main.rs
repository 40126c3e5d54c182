//! One program for every target of `tenrec::fuzz_doors`: `TENREC_FUZZ_TARGET` names it, libFuzzer's own arguments follow.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tenrec::fuzz_doors::{DOORS, Door};

fuzz_target!(|data: &[u8]| {
    static DOOR: OnceLock<&Door> = OnceLock::new();
    let door = DOOR.get_or_init(|| {
        let name = std::env::var("TENREC_FUZZ_TARGET").unwrap_or_default();
        let names: Vec<_> = DOORS.iter().map(|door| door.name).collect();
        DOORS.iter().find(|door| door.name == name).unwrap_or_else(|| panic!("TENREC_FUZZ_TARGET is one of {names:?}"))
    });
    (door.enter)(data);
});
