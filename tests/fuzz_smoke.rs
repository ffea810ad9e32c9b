//! A bounded, repeatable run of the fuzz entries: every seed as it is, then mutated.
//!
//! `./dev fuzz` runs the same entries under libFuzzer for as long as one likes; what it finds becomes a seed.

#[path = "../fuzz/entries.rs"]
mod entries;

use entries::ENTRIES;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Mutations of each entry's seeds; all entries together take seconds in a debug build.
const MUTATIONS: u32 = 5_000;

/// Larger inputs are left to libFuzzer.
const LARGEST: usize = 16 << 10;

/// Bytes and numbers at which decoders decide something.
const INTERESTING: [&[u8]; 16] = [
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x0a",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\x0f",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"null",
    b"-1",
    b"1e400",
    b"18446744073709551616",
    b"\"",
    b"\\ud800",
];

#[test]
fn no_bytes_break_an_entry() {
    for (name, entry) in ENTRIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "fuzz/seeds/{name} is empty");
        for seed in &seeds {
            run(name, entry, seed);
        }
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for _ in 0..MUTATIONS {
            let mut bytes = seeds[chance.below(seeds.len())].clone();
            for _ in 0..=chance.below(4) {
                mutate(&mut bytes, &seeds, &mut chance);
            }
            bytes.truncate(LARGEST);
            run(name, entry, &bytes);
        }
    }
}

#[test]
fn every_entry_has_its_target() {
    for (name, _) in ENTRIES {
        let target = fs::read_to_string(folder().join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("entries::{name}(bytes)")), "{name}");
    }
    assert_eq!(fs::read_dir(folder().join("targets")).unwrap().count(), ENTRIES.len());
}

fn run(name: &str, entry: fn(&[u8]), bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| entry(bytes))).is_err() {
        panic!("{name} broke on {} bytes; keep them as a seed: {}", bytes.len(), bytes.escape_ascii());
    }
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let end = (at + chance.below(32)).min(bytes.len());
    match chance.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let chosen = INTERESTING[chance.below(INTERESTING.len())];
            bytes.splice(at..at, chosen.iter().copied());
        }
        4 => {
            let chosen = INTERESTING[chance.below(INTERESTING.len())];
            bytes.splice(at..end, chosen.iter().copied());
        }
        5 => {
            let copied = bytes[at..end].to_vec();
            bytes.splice(at..at, copied);
        }
        _ => {
            let other = &seeds[chance.below(seeds.len())];
            let from = chance.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder().join("seeds").join(name)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

/// xorshift64*: the same numbers on every machine.
struct Chance(u64);

impl Chance {
    /// Below `limit`, which is above zero.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % limit
    }
}
