use std::time::{Duration, Instant};

use skerry_host::{CallError, Embedder, Limits, QueryError, Segment};

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
