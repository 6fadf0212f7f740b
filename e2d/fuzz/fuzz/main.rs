//! One target under libFuzzer: the one that the variable `E2D_FUZZ_TARGET` names.
#![no_main]
#![allow(unsafe_code, missing_docs, reason = "libFuzzer's entry is a C function, made by its macro")]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("E2D_FUZZ_TARGET").unwrap_or_default();
    e2d_fuzz::target(&name).unwrap_or_else(|| std::process::exit(2))
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
