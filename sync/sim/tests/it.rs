//! The simulator finds faults that are planted, finds none where none are, and does the same again for the same seed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use skerry_sim::{Options, Planted, run, sweep};

/// Seeds within which each planted fault must be found.
const FOUND_WITHIN: u64 = 60;

/// A failing seed is worth something only when it fails again in the same way: everything that happens is in the digest.
#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 7, 8] {
        let traced = run(seed, &Options { trace: true, ..Options::default() });
        let again = run(seed, &Options::default());
        assert_eq!((&traced.digest, traced.simulated_ms), (&again.digest, again.simulated_ms), "seed {seed}");
        assert!(traced.trace.len() > 100 && again.trace.is_empty());
    }
    assert_ne!(run(1, &Options::default()).digest, run(2, &Options::default()).digest);
}

/// Runs of the driver as it is: no rule is broken, and every kind of fault really happens.
#[test]
fn some_seeds_hold() {
    let summary = sweep(0, 150, 1, Options::default(), |_| {});
    if let Some(outcome) = summary.failures.first() {
        panic!("seed {}: {}; cargo xtask sim --seed {0} --trace", outcome.seed, outcome.failure.as_ref().unwrap());
    }
    for kind in [
        "write acknowledged",
        "write refused",
        "unsynced steps lost",
        "hub acknowledged",
        "request doubled",
        "request lost",
        "answer lost",
        "notice lost",
        "partition",
        "line breaks",
        "crash between effects",
        "store put fails",
        "store put, answer lost",
        "store put, late",
        "store is full",
        "store delete",
        "store quarantine",
        "write of a reader",
        "plain peer restarts",
        "live client settled",
        "exchange done",
        "at rest",
    ] {
        assert!(
            summary.counts.get(kind).is_some_and(|count| *count > 0),
            "{kind} never happened: {:?}",
            summary.counts
        );
    }
}

fn found(planted: Planted) -> (u64, String) {
    let options = Options { planted: Some(planted), ..Options::default() };
    let found = (0..FOUND_WITHIN).find_map(|seed| run(seed, &options).failure.map(|why| (seed, why)));
    if let Some((seed, why)) = &found {
        println!("{planted:?} is found at seed {seed}: {why}");
    }
    found.unwrap_or_else(|| panic!("{planted:?} is not found within {FOUND_WITHIN} seeds"))
}

/// A hub that acknowledges before it stores.
#[test]
fn an_early_acknowledgement_is_found() {
    let (seed, why) = found(Planted::AcknowledgesBeforeStored);
    assert!(why.contains("never stored") || why.contains("is lost"), "seed {seed}: {why}");
}

/// A compaction that deletes before the snapshot is stored, amid which a hub dies.
#[test]
fn a_deletion_before_the_snapshot_is_found() {
    let (seed, why) = found(Planted::DeletesBeforeSnapshot);
    assert!(why.contains("is lost"), "seed {seed}: {why}");
}

/// A disk that says it synced.
#[test]
fn a_skipped_fsync_is_found() {
    let (seed, why) = found(Planted::SkipsFsync);
    assert!(why.contains("lost the acknowledged version") || why.contains("does not open"), "seed {seed}: {why}");
}

/// Hubs that do not tell each other.
#[test]
fn forgotten_notices_are_found() {
    let (seed, why) = found(Planted::ForgetsNotices);
    assert!(why.contains("come to rest"), "seed {seed}: {why}");
}

/// A driver that takes a reader's token for a writer's.
#[test]
fn a_reader_let_in_as_a_writer_is_found() {
    let (seed, why) = found(Planted::IgnoresAccess);
    assert!(why.contains("may not"), "seed {seed}: {why}");
}
