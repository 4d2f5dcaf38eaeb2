//! Every target reads its whole corpus, and random changes of it, without a nightly compiler.
//!
//! What `make fuzz` finds goes into the corpus, and is read here from then on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_fuzz::{TARGETS, Target, VALUES, seeds};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// How many changed inputs each target reads; `BALLAST_FUZZ_CASES` for more.
const CASES: u32 = 400;

fn corpus_of(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The files of a target's corpus by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files =
        fs::read_dir(corpus_of(target)).unwrap_or_else(|error| panic!("{target}: no corpus: {error}"));
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
    };
    files.map(file).collect()
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Number(Index, u64, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, u8),
    /// The rest comes from another input of the corpus.
    Cross(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1 << 31), Just(1 << 63), any::<u64>()];
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (index(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (index(), number, 1..=8_u8).prop_map(|(at, number, width)| Change::Number(at, number, width)),
        2 => (index(), 1..16_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (index(), 1..16_usize, 1..40_u8).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        3 => (index(), index(), index()).prop_map(|(at, other, from)| Change::Cross(at, other, from)),
    ]
}

fn changed(mut bytes: Vec<u8>, change: &Change, corpus: &[Vec<u8>]) -> Vec<u8> {
    let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match change {
        Change::Set(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Flip(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Set(..) | Change::Flip(..) => {}
        Change::Number(at, number, width) => {
            let at = place(at, &bytes);
            let number = number.to_le_bytes();
            let end = (at + usize::from(*width)).min(bytes.len());
            bytes.splice(at..end, number[..end - at].iter().copied());
        }
        Change::Remove(at, count) => {
            let at = place(at, &bytes);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
        Change::Insert(at, more) => {
            let at = place(at, &bytes);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Repeat(at, count, times) => {
            let at = place(at, &bytes);
            let piece = bytes[at..(at + count).min(bytes.len())].repeat(usize::from(*times));
            bytes.splice(at..at, piece);
        }
        Change::Cross(at, other, from) => {
            let other = other.get(corpus);
            bytes.truncate(place(at, &bytes));
            bytes.extend_from_slice(&other[place(from, other)..]);
        }
    }
    bytes
}

/// Whether a target reads these bytes; its words if it does not.
fn read(target: &Target, bytes: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| target.check(bytes))).map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

#[test]
fn every_target_reads_its_corpus() {
    let mut failed = Vec::new();
    for target in TARGETS {
        for (file, bytes) in corpus(target.name) {
            failed.extend(read(target, &bytes).err().map(|words| format!("{}/{file}: {words}", target.name)));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_reads_changed_inputs() {
    let cases =
        std::env::var("BALLAST_FUZZ_CASES").ok().map_or(CASES, |cases| cases.parse().expect("a number"));
    let mut failed = Vec::new();
    for target in TARGETS {
        let corpus: Vec<Vec<u8>> = corpus(target.name).into_values().collect();
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        // The same each time: what fails here fails for everybody.
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let input = (any::<Index>(), prop::collection::vec(change(), 0..6));
        let outcome = runner.run(&input, |(start, changes)| {
            let start = start.get(&corpus).clone();
            let bytes = changes.iter().fold(start, |bytes, change| changed(bytes, change, &corpus));
            read(target, &bytes)
                .map_err(|words| TestCaseError::fail(format!("{words}\ninput: \"{}\"", bytes.escape_ascii())))
        });
        failed.extend(outcome.err().map(|error| format!("{}: {error}", target.name)));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_target_has_a_corpus_of_its_own_and_every_corpus_a_target() {
    let mut known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    known.sort_unstable();
    let root = fs::read_dir(corpus_of("")).unwrap();
    let mut found: Vec<String> =
        root.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    assert_eq!(found, known);
    for target in TARGETS {
        let program = format!("fuzz_targets/{}.rs", target.name);
        let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&program)).unwrap();
        assert!(text.contains(&format!("\"{}\"", target.name)), "{program}");
    }
}

/// The seeds are what filters write today, so that changes of them reach every reader.
#[test]
fn every_seed_is_in_the_corpus_as_it_is_written() {
    for value in VALUES {
        let written = (value.sample)();
        assert_eq!((value.again)(&written).as_ref(), Some(&written), "{}", value.name);
    }
    for seed in seeds() {
        let file = fs::read(corpus_of(seed.target).join(&seed.name)).ok();
        assert_eq!(file, Some(seed.bytes), "{}/{}: `make fuzz-seeds` writes it", seed.target, seed.name);
    }
}
