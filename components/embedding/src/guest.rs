//! The component: one [`Model`] behind the exports of `skerry:embedding/embedding`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

use std::cell::RefCell;

use crate::{BATCH_MAX, Model};

wit_bindgen::generate!({ path: "../../wit/embedding", world: "embedding" });

use exports::skerry::embedding::{embedder, weights};

/// Weights on their way in, then the model.
enum State {
    Empty,
    Loading { bytes: Vec<u8>, length: usize },
    Loaded(Box<Model>),
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State::Empty) };
}

struct Component;

export!(Component);

fn with_model<T>(work: impl FnOnce(&mut Model) -> T) -> Result<T, embedder::Error> {
    STATE.with_borrow_mut(|state| match state {
        State::Loaded(model) => Ok(work(model)),
        _ => Err(embedder::Error::NoWeights("this component was not baked with weights".to_owned())),
    })
}

impl embedder::Guest for Component {
    fn describe() -> Result<embedder::Model, embedder::Error> {
        with_model(|model| {
            let crate::ModelInfo { id, name, dimensions, tokens_max } = model.info();
            embedder::Model { id, name, dimensions, tokens_max }
        })
    }

    fn embed(texts: Vec<String>) -> Result<Vec<embedder::Embedding>, embedder::Error> {
        if texts.len() > BATCH_MAX {
            return Err(embedder::Error::BatchTooLarge(BATCH_MAX as u32));
        }
        with_model(|model| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let embedding = |embedding| {
                let crate::Embedding { vector, tokens, truncated } = embedding;
                embedder::Embedding { vector, tokens, truncated }
            };
            model.embed_all(&texts).into_iter().map(embedding).collect()
        })
    }

    fn tokenize(text: String) -> Result<Vec<u32>, embedder::Error> {
        with_model(|model| model.tokenize(&text).ids)
    }

    fn split(text: String, tokens: u32, overlap: u32) -> Result<Vec<embedder::Span>, embedder::Error> {
        let spans = with_model(|model| model.split(&text, tokens, overlap))?;
        let spans = spans.map_err(|error| embedder::Error::Other(error.to_string()))?;
        Ok(spans.into_iter().map(|crate::Span { start, end }| embedder::Span { start, end }).collect())
    }
}

impl weights::Guest for Component {
    fn reserve(length: u64) -> Result<(), weights::Error> {
        STATE.with_borrow_mut(|state| match state {
            State::Loaded(_) => Err(weights::Error::AlreadyLoaded),
            _ => {
                let length = usize::try_from(length).map_err(|error| weights::Error::Other(error.to_string()))?;
                let mut bytes = Vec::new();
                bytes.try_reserve_exact(length).map_err(|error| weights::Error::Other(error.to_string()))?;
                *state = State::Loading { bytes, length };
                Ok(())
            }
        })
    }

    fn append(chunk: Vec<u8>) -> Result<(), weights::Error> {
        STATE.with_borrow_mut(|state| match state {
            State::Loaded(_) => Err(weights::Error::AlreadyLoaded),
            State::Empty => Err(weights::Error::OutOfOrder("call reserve first".to_owned())),
            State::Loading { bytes, length } if bytes.len() + chunk.len() > *length => {
                Err(weights::Error::OutOfOrder(format!("more than the {length} bytes that were reserved")))
            }
            State::Loading { bytes, .. } => {
                bytes.extend_from_slice(&chunk);
                Ok(())
            }
        })
    }

    fn finish() -> Result<(), weights::Error> {
        STATE.with_borrow_mut(|state| match std::mem::replace(state, State::Empty) {
            State::Loaded(model) => {
                *state = State::Loaded(model);
                Err(weights::Error::AlreadyLoaded)
            }
            State::Empty => Err(weights::Error::OutOfOrder("call reserve and append first".to_owned())),
            State::Loading { bytes, .. } => {
                let model = Model::load(bytes).map_err(|error| weights::Error::Malformed(error.to_string()))?;
                *state = State::Loaded(Box::new(model));
                Ok(())
            }
        })
    }
}
