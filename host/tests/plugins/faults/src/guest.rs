//! The plugin: all three interfaces, each with every fault.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

use std::sync::atomic::{AtomicU32, Ordering};

wit_bindgen::generate!({
    inline: "
        package skerry:faults;
        world faults {
            export skerry:plugin/publishing@0.1.0;
            export skerry:plugin/ranking@0.1.0;
            export skerry:plugin/filtering@0.1.0;
        }
    ",
    path: "../../../../wit/plugin",
    world: "skerry:faults/faults",
    generate_all,
});

use exports::skerry::plugin::{filtering, publishing, ranking};

struct Faults;

export!(Faults);

/// Calls of this instance.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// More than any answer may have, less than memory.
const MANY: usize = 20 << 20;

/// Does what no answer comes of; returns for settings that mean something else.
fn fail(settings: &str) {
    match settings {
        "loop" => loop {
            CALLS.fetch_add(1, Ordering::Relaxed);
        },
        "trap" => panic!("on purpose"),
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
            }
        }
        "stack" => {
            core::hint::black_box(deep(0));
        }
        _ => {}
    }
}

#[allow(unconditional_recursion, reason = "that is the fault")]
#[inline(never)]
fn deep(level: u64) -> u64 {
    core::hint::black_box(deep(level + 1)) + level
}

impl publishing::Guest for Faults {
    fn transform(batch: publishing::Batch) -> Result<Vec<publishing::Verdict>, publishing::Error> {
        use publishing::Verdict::{Keep, Refuse, Replace};
        fail(&batch.settings);
        let calls = 1 + CALLS.fetch_add(1, Ordering::Relaxed);
        let verdict = |mut entry: publishing::Entry| match batch.settings.as_str() {
            "output" => Refuse("x".repeat(MANY)),
            "key" => {
                entry.key.push_str("-other");
                Replace(entry)
            }
            "invalid" => {
                entry.data = "[1]".to_owned();
                Replace(entry)
            }
            "weight" => {
                entry.links.iter_mut().for_each(|link| link.weight = f64::NAN);
                Replace(entry)
            }
            "refuse" => Refuse(format!("call {calls} of this instance")),
            "shout" => {
                entry.text = entry.text.to_uppercase();
                Replace(entry)
            }
            "echo" => Replace(entry),
            _ => Keep,
        };
        match batch.settings.as_str() {
            "error" => Err(publishing::Error::Other("on purpose\nwith a second line".to_owned())),
            "settings" => Err(publishing::Error::InvalidSettings("they are refused on purpose".to_owned())),
            "count" => Ok(vec![Keep; batch.entries.len() + 1]),
            _ => Ok(batch.entries.into_iter().map(verdict).collect()),
        }
    }
}

impl ranking::Guest for Faults {
    fn rerank(request: ranking::Request) -> Result<ranking::Ranking, ranking::Error> {
        use ranking::Ranking::{Order, Scores};
        fail(&request.settings);
        if request.argument == "wrong" {
            return Err(ranking::Error::InvalidArgument("it is not `wrong`".to_owned()));
        }
        let scores = || request.candidates.iter().map(|candidate| -candidate.score);
        let count = request.candidates.len() as u32;
        match request.settings.as_str() {
            "output" => Ok(Scores(vec![0.0; MANY / 4])),
            "nan" => Ok(Scores(scores().map(|_| f32::NAN).collect())),
            "count" => Ok(Scores(scores().skip(1).collect())),
            "order" => Ok(Order((0..count).rev().collect())),
            "twice" => Ok(Order(vec![0; request.candidates.len()])),
            "error" => Err(ranking::Error::Other("on purpose".to_owned())),
            "settings" => Err(ranking::Error::InvalidSettings("they are refused on purpose".to_owned())),
            _ => Ok(Scores(scores().collect())),
        }
    }
}

impl filtering::Guest for Faults {
    fn keep(batch: filtering::Batch) -> Result<Vec<bool>, filtering::Error> {
        fail(&batch.settings);
        if batch.argument == "wrong" {
            return Err(filtering::Error::InvalidArgument("it is not `wrong`".to_owned()));
        }
        match batch.settings.as_str() {
            "output" => Ok(vec![true; MANY]),
            "count" => Ok(Vec::new()),
            "error" => Err(filtering::Error::Other("on purpose".to_owned())),
            "settings" => Err(filtering::Error::InvalidSettings("they are refused on purpose".to_owned())),
            _ => Ok(batch.changes.iter().map(|change| change.key.contains(&batch.argument)).collect()),
        }
    }
}
