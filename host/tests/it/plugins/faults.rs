//! Faults of plugins that are what they say: each is named, and hurts its own call alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use skerry_host::plugin::{PluginFault, PluginLimits, Transform};
use skerry_host::types::plugin::{Ranking, Verdict};
use skerry_host::{CallError, Cancel};

use super::{LIMITS, batch, built, cache, changes, entry, filter, request, reranker, transform};
use crate::artefacts::ENGINE;

const MEMORY: PluginFault = PluginFault::Call(CallError::MemoryExceeded { bytes_max: 64 << 20 });
const OUTPUT: PluginFault = PluginFault::Call(CallError::OutputExceeded { bytes_max: 4 << 20 });
const DEADLINE: PluginFault = PluginFault::Call(CallError::DeadlineExceeded);

/// The faults that all kinds share, by name.
fn check_common(call: impl Fn(&str) -> PluginFault) {
    assert_eq!(call("loop"), DEADLINE);
    assert_eq!(call("memory"), MEMORY);
    assert_eq!(call("output"), OUTPUT);
    for trap in ["trap", "stack"] {
        let fault = call(trap);
        assert!(matches!(&fault, PluginFault::Call(CallError::Trapped(_))), "{trap}: {fault}");
    }
    let fault = call("error");
    assert!(matches!(&fault, PluginFault::Said(said) if said.starts_with("on purpose")), "{fault}");
    assert!(!fault.to_string().contains('\n'), "{fault}");
    assert_eq!(call("settings"), PluginFault::Settings("they are refused on purpose".to_owned()));
    let fault = call("count");
    assert!(matches!(&fault, PluginFault::Answer(_)), "{fault}");
    assert!(!fault.is_of_caller());
}

#[test]
fn a_transform_fails_alone() {
    let plugin = transform(&built("faults"));
    let entries = || vec![entry("a", "tide"), entry("b", "moon")];
    check_common(|settings| plugin.transform(&batch(settings, entries()), None).unwrap_err());
    let fault = plugin.transform(&batch("key", entries()), None).unwrap_err();
    assert!(matches!(&fault, PluginFault::Answer(reason) if reason.contains("the key must stay")), "{fault}");
    assert_eq!(plugin.transform(&batch("", entries()), None).unwrap(), [Verdict::Keep, Verdict::Keep]);
    let echoed = plugin.transform(&batch("echo", entries()), None).unwrap();
    assert_eq!(echoed, entries().into_iter().map(Verdict::Replace).collect::<Vec<_>>());
}

#[test]
fn a_reranker_fails_alone() {
    let plugin = reranker(&built("faults"));
    let entries = || vec![entry("a", "tide"), entry("b", "moon")];
    let call = |settings: &str, argument: &str| plugin.rerank(&request(settings, argument, entries()), None);
    check_common(|settings| call(settings, "").unwrap_err());
    for settings in ["nan", "twice"] {
        let fault = call(settings, "").unwrap_err();
        assert!(matches!(&fault, PluginFault::Answer(_)), "{settings}: {fault}");
    }
    let fault = call("", "wrong").unwrap_err();
    assert!(matches!(&fault, PluginFault::Argument(_)) && fault.is_of_caller(), "{fault}");
    assert_eq!(call("", "").unwrap(), Ranking::Scores(vec![-1.0, -0.5]));
    assert_eq!(call("order", "").unwrap(), Ranking::Order(vec![1, 0]));
}

#[test]
fn a_filter_fails_alone() {
    let plugin = filter(&built("faults"));
    let call = |settings: &str, argument: &str| plugin.keep(&changes(settings, argument, &["tide", "moon"]), None);
    check_common(|settings| call(settings, "").unwrap_err());
    assert!(matches!(call("", "wrong").unwrap_err(), PluginFault::Argument(_)));
    assert_eq!(call("", "oo").unwrap(), [false, true]);
}

/// Nothing stays from one call to the next: every call is the first of its instance.
#[test]
fn an_instance_serves_one_call() {
    let plugin = transform(&built("faults"));
    for _ in 0..3 {
        let verdicts = plugin.transform(&batch("refuse", vec![entry("a", ""), entry("b", "")]), None).unwrap();
        assert_eq!(verdicts, vec![Verdict::Refuse("call 1 of this instance".to_owned()); 2]);
    }
}

/// Input that does not fit into the plugin's memory is a fault like any other.
#[test]
fn input_beyond_memory_is_refused() {
    let plugin = transform(&built("faults"));
    let fault = plugin.transform(&batch("", vec![entry("a", &"x".repeat(80 << 20))]), None).unwrap_err();
    assert_eq!(fault, MEMORY);
}

/// A hundred callers of a plugin that takes all the memory it may: only so many instances live at once, and all are told.
#[test]
fn calls_wait_for_their_turn() {
    let limits = PluginLimits { calls_at_once: 1, ..LIMITS };
    let plugin = Transform::open(&ENGINE, cache(), &built("faults"), limits).unwrap();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for caller in 0..100 {
            let (plugin, done) = (&plugin, &done);
            scope.spawn(move || {
                let settings = if caller % 10 == 0 { "memory" } else { "" };
                let answered = plugin.transform(&batch(settings, vec![entry("a", "")]), None);
                assert_eq!(answered.is_err(), caller % 10 == 0, "{answered:?}");
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(done.into_inner(), 100);
}

/// Whoever asked has gone: the plugin is interrupted, and so is one who waits for a turn; neither is the plugin's fault.
#[test]
fn a_call_that_nobody_wants_ends() {
    let mut limits = PluginLimits { calls_at_once: 1, ..LIMITS };
    // So long that the test would not end by it.
    limits.call.deadline = std::time::Duration::from_hours(10);
    let plugin = Transform::open(&ENGINE, cache(), &built("faults"), limits).unwrap();
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let callers = [(); 2].map(|()| scope.spawn(|| plugin.transform(&batch("loop", vec![]), Some(&cancel))));
        cancel.cancel();
        for caller in callers {
            let fault = caller.join().unwrap().unwrap_err();
            assert_eq!(fault, PluginFault::Call(CallError::Cancelled));
            assert!(fault.is_of_caller());
        }
    });
    plugin.transform(&batch("", vec![entry("a", "")]), None).unwrap();
}
