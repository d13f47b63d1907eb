use std::time::{Duration, Instant};

use skerry_host::{CallError, Cancel, Embedder, Limits, QueryError, Segment};

use crate::artefacts::{ENGINE, LIMITS, component, documents, requests};

/// A job that is too large fails in time, and the pool that ran it goes on working for others.
#[test]
fn an_embedder_outlives_a_missed_deadline() {
    let long = "harbour ".repeat(300);
    let texts = vec![long.as_str(); 32];
    // Measured here, so that the test means the same on a slow machine and on a fast one: a quarter of the time that the
    // job takes is too little for it, and plenty for one short text with its share of a thirty-second.
    let component = component("embedding");
    let calm = Embedder::new(&ENGINE, &component, 1, LIMITS).unwrap();
    let started = Instant::now();
    calm.embed(&texts).unwrap();
    let deadline = started.elapsed() / 4;
    let hurried = Embedder::new(&ENGINE, &component, 2, Limits { deadline, ..LIMITS }).unwrap();
    for _ in 0..3 {
        assert_eq!(hurried.embed(&texts).unwrap_err(), CallError::DeadlineExceeded);
    }
    // On a busy machine even a short text may miss its few milliseconds; it must get through in the end.
    let answered = (0..1_000).find_map(|_| hurried.embed(&["tide"]).ok()).expect("a short text within its deadline");
    assert_eq!(answered, calm.embed(&["tide"]).unwrap());
}

/// After a missed deadline a segment's memory is in no known state: it must refuse, not answer from ruins.
#[test]
fn a_segment_is_poisoned_by_a_missed_deadline() {
    let limits = Limits { deadline: Duration::from_millis(1), ..LIMITS };
    let mut segment = Segment::new(&ENGINE, &component("query"), limits).unwrap();
    let error = segment.upsert(documents(0, 20_000)).unwrap_err();
    assert_eq!(error, QueryError::Call(CallError::DeadlineExceeded));
    assert!(segment.is_poisoned());
    assert_eq!(segment.query(&requests()[0]).unwrap_err(), QueryError::Call(CallError::Poisoned));
    assert_eq!(segment.describe().unwrap_err(), CallError::Poisoned);
}

/// No guest may take more memory than it was given, and the caller learns that this was the reason.
#[test]
fn memory_beyond_the_limit_is_refused() {
    let limits = Limits { memory_bytes_max: 8 << 20, ..LIMITS };
    let mut segment = Segment::new(&ENGINE, &component("query"), limits).unwrap();
    let error = segment.upsert(documents(0, 20_000)).unwrap_err();
    assert_eq!(error, QueryError::Call(CallError::MemoryExceeded { bytes_max: 8 << 20 }));
    assert!(segment.is_poisoned());
}

/// A component that is larger than the limit before it runs is refused for the same reason.
#[test]
fn a_component_larger_than_the_limit_does_not_start() {
    let limits = Limits { memory_bytes_max: 1 << 20, ..LIMITS };
    let error = Embedder::new(&ENGINE, &component("embedding"), 1, limits).unwrap_err();
    assert_eq!(error, CallError::MemoryExceeded { bytes_max: 1 << 20 });
}

/// Calls that run at once share one clock of deadlines; a long one must not cost a short one its time.
#[test]
fn deadlines_of_parallel_calls_are_their_own() {
    let component = component("query");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let limits = Limits { deadline: Duration::from_millis(1), ..LIMITS };
            let mut segment = Segment::new(&ENGINE, &component, limits).unwrap();
            assert!(segment.upsert(documents(0, 20_000)).is_err());
        });
        scope.spawn(|| {
            let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
            for batch in 0..20 {
                segment.upsert(documents(batch * 500, 500)).unwrap();
            }
            assert_eq!(segment.describe().unwrap().documents, 10_000);
        });
    });
}

/// Whoever asked has gone: the guest is interrupted, what was not begun is not begun, and the only instance is free again.
/// Counted in texts, which mean the same on a slow machine.
#[test]
fn a_cancelled_job_frees_its_instance() {
    let embedder = Embedder::new(&ENGINE, &component("embedding"), 1, LIMITS).unwrap();
    let long = "harbour ".repeat(300);
    let texts = vec![long.as_str(); 512];
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let job = scope.spawn(|| embedder.embed_with(&texts, Some(&cancel)));
        // Somebody else waits for the one instance and gives up, too.
        let other = Cancel::new();
        let waiting = scope.spawn({
            let other = other.clone();
            let embedder = &embedder;
            move || embedder.embed_with(&["tide"], Some(&other))
        });
        while embedder.texts_done() == 0 {
            std::thread::yield_now();
        }
        other.cancel();
        let gave_up = waiting.join().unwrap();
        assert!(matches!(gave_up, Err(CallError::Cancelled) | Ok(_)), "{gave_up:?}");
        cancel.cancel();
        assert_eq!(job.join().unwrap().unwrap_err(), CallError::Cancelled);
    });
    let done = embedder.texts_done();
    assert!(done < 256, "{done} of 512 texts were embedded for nobody");
    embedder.embed(&["tide"]).unwrap();
    assert_eq!(embedder.texts_done(), done + 1, "nothing of the old job goes on");
}

/// A job that was cancelled before it began does nothing; one that nobody cancels is not disturbed by being able to be.
#[test]
fn cancelling_early_and_never() {
    let embedder = Embedder::new(&ENGINE, &component("embedding"), 2, LIMITS).unwrap();
    let cancel = Cancel::new();
    assert_eq!(embedder.embed_with(&["tide"], Some(&cancel)).unwrap(), embedder.embed(&["tide"]).unwrap());
    drop(cancel.clone().on_drop());
    assert_eq!(embedder.embed_with(&["tide"], Some(&cancel)).unwrap_err(), CallError::Cancelled);
    assert_eq!(embedder.texts_done(), 2);
}
