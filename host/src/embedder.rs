//! The embedder: a pool of instances of the embedding component.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::component::Linker;

use crate::bindings::provider::exports::skerry::embedding::embedder;
use crate::bindings::provider::{Provider as World, ProviderPre};
use crate::call::{CallError, Guard, Limits, Sandbox};
use crate::cancel::Cancel;
use crate::components::Component;
use crate::engine::Engine;
use crate::types::{Embedding, ModelInfo, TextSpan};

/// Texts in one guest call at most.
const CALL_TEXTS_MAX: usize = 32;

/// Bytes of text in one guest call at most, unless a single text is longer.
const CALL_BYTES_MAX: usize = 4 << 20;

/// How often somebody who waits for an instance looks whether the work is still wanted.
const CANCEL_LOOKED_AT: Duration = Duration::from_millis(20);

/// Bytes of a text that is split for which a call has as much time as for embedding one text.
const SPLIT_BYTES: usize = 64 << 10;

/// Pieces per instance that a job is cut into, so that instances which are done early can help.
const PIECES_PER_INSTANCE: usize = 4;

/// Embeds texts on several instances at once. Shared by all threads of a node.
///
/// The deadline of its limits is what one call with 32 texts may take; a call with fewer texts has its share of it.
pub struct Embedder {
    engine: Engine,
    pre: ProviderPre<Guard>,
    limits: Limits,
    model: ModelInfo,
    pool: Mutex<Pool>,
    returned: Condvar,
    instances: usize,
    texts_done: AtomicU64,
}

/// Instances that wait for work, and how many more may be made.
struct Pool {
    idle: Vec<Guest>,
    unmade: usize,
}

struct Guest {
    sandbox: Sandbox,
    world: World,
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("model", &self.model.id)
            .field("instances", &self.instances)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Embedder {
    /// Prepares a pool; instances beyond the first are made when they are needed.
    ///
    /// # Errors
    /// [`CallError::Instantiate`] when it is not an embedding component, [`CallError::NoWeights`] when it was not baked.
    pub fn new(
        engine: &Engine,
        component: &Component,
        instances: usize,
        limits: Limits,
    ) -> Result<Embedder, CallError> {
        let instantiate = |error: wasmtime::Error| CallError::Instantiate(format!("{error:#}"));
        let instance = Linker::new(engine.wasm()).instantiate_pre(component.wasm()).map_err(instantiate)?;
        let pre = ProviderPre::new(instance).map_err(instantiate)?;
        let mut first = Guest::new(engine, &pre, limits)?;
        let model = first.describe()?;
        let instances = instances.max(1);
        let pool = Mutex::new(Pool { idle: vec![first], unmade: instances - 1 });
        Ok(Embedder {
            engine: engine.clone(),
            pre,
            limits,
            model,
            pool,
            returned: Condvar::new(),
            instances,
            texts_done: AtomicU64::new(0),
        })
    }

    /// The baked model.
    pub fn model(&self) -> &ModelInfo {
        &self.model
    }

    /// Texts that were embedded since the pool was made.
    pub fn texts_done(&self) -> u64 {
        self.texts_done.load(Ordering::Relaxed)
    }

    /// One embedding per text, in the order of the texts. Any number of texts; blocks until all are done.
    ///
    /// # Errors
    /// The first fault of any call; see [`CallError`]. The instance that failed is replaced, so other jobs are not hurt.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Embedding>, CallError> {
        self.embed_with(texts, None)
    }

    /// As [`Embedder::embed`], for a caller who may go away: stops soon after it is cancelled, also one that waits for a free
    /// instance. What runs is interrupted, and the instances are free for others.
    ///
    /// # Errors
    /// As [`Embedder::embed`]; [`CallError::Cancelled`].
    pub fn embed_with(&self, texts: &[&str], cancel: Option<&Cancel>) -> Result<Vec<Embedding>, CallError> {
        let pieces = cut(texts, self.instances);
        let workers = self.instances.min(pieces.len());
        let job = Job { texts, pieces: &pieces, next: AtomicUsize::new(0), cancel };
        let mut done = Vec::with_capacity(pieces.len());
        if workers <= 1 {
            done.extend(self.work(&job));
        } else {
            std::thread::scope(|scope| {
                let others: Vec<_> = (1..workers).map(|_| scope.spawn(|| self.work(&job))).collect();
                done.extend(self.work(&job));
                for other in others {
                    match other.join() {
                        Ok(results) => done.extend(results),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
            });
        }
        assemble(texts.len(), &pieces, done)
    }

    /// WordPiece token ids of a text, special tokens included, cut to what the model takes.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, CallError> {
        self.with_guest(None, |guest| {
            let Guest { sandbox, world } = guest;
            let embedder = world.skerry_embedding_embedder();
            Ok(sandbox.call(self.share(1), |store| embedder.call_tokenize(store, text))??)
        })
    }

    /// Cuts a text into chunks of at most `tokens` tokens (8 to the model's most, the two special tokens included), which share
    /// words of at most `overlap` tokens with their neighbours. Spans are bytes of the text, on borders of characters, ascending;
    /// no chunk is truncated when it is embedded. A text that fits is one chunk.
    ///
    /// # Errors
    /// [`CallError::Guest`] when `tokens` is out of range or `overlap` is not less than half of it; see [`CallError`].
    pub fn split(&self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<TextSpan>, CallError> {
        // Every word of the text is looked up, so a long one has more time.
        let deadline = self.share(1) + self.share(1).mul_f64((text.len() / SPLIT_BYTES) as f64);
        self.with_guest(None, |guest| {
            let Guest { sandbox, world } = guest;
            let embedder = world.skerry_embedding_embedder();
            Ok(sandbox.call(deadline, |store| embedder.call_split(store, text, tokens, overlap))??)
        })
    }

    /// Takes pieces of a job until none is left or one fails.
    fn work(&self, job: &Job<'_>) -> Vec<(usize, Result<Vec<Embedding>, CallError>)> {
        let mut done = Vec::new();
        loop {
            let index = job.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = job.pieces.get(index) else { return done };
            let texts: Vec<String> =
                piece.iter().filter_map(|&text| job.texts.get(text)).map(|&text| text.into()).collect();
            let result = self.with_guest(job.cancel, |guest| guest.embed(&texts, self.share(texts.len()), job.cancel));
            let failed = result.is_err();
            self.texts_done.fetch_add(result.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
            done.push((index, result));
            if failed {
                // Nobody needs the rest.
                job.next.store(job.pieces.len(), Ordering::Relaxed);
                return done;
            }
        }
    }

    /// The deadline of a call with this many texts.
    fn share(&self, texts: usize) -> Duration {
        self.limits.deadline.mul_f64(texts.min(CALL_TEXTS_MAX) as f64 / CALL_TEXTS_MAX as f64)
    }

    /// Waits for an instance, lends it, and takes it back unless it failed; a failed one makes room for a new one.
    fn with_guest<T>(
        &self,
        cancel: Option<&Cancel>,
        work: impl FnOnce(&mut Guest) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut pool = self.lock();
        let idle = loop {
            if cancel.is_some_and(Cancel::is_cancelled) {
                // It may have been woken in another's stead.
                self.returned.notify_one();
                return Err(CallError::Cancelled);
            }
            if let Some(guest) = pool.idle.pop() {
                break Some(guest);
            }
            if pool.unmade > 0 {
                pool.unmade -= 1;
                break None;
            }
            pool = match cancel {
                None => self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner),
                Some(_) => self.returned.wait_timeout(pool, CANCEL_LOOKED_AT).unwrap_or_else(PoisonError::into_inner).0,
            };
        };
        drop(pool);
        // Returns the place in the pool even when `work` panics.
        let mut place = Place { embedder: self, guest: None };
        let guest = match idle {
            Some(guest) => guest,
            None => Guest::new(&self.engine, &self.pre, self.limits)?,
        };
        work(place.guest.insert(guest))
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the pool that somebody uses.
struct Place<'a> {
    embedder: &'a Embedder,
    guest: Option<Guest>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut pool = self.embedder.lock();
        match self.guest.take() {
            Some(guest) if !guest.sandbox.is_poisoned() => pool.idle.push(guest),
            _ => pool.unmade += 1,
        }
        drop(pool);
        self.embedder.returned.notify_one();
    }
}

impl Guest {
    fn new(engine: &Engine, pre: &ProviderPre<Guard>, limits: Limits) -> Result<Guest, CallError> {
        let (sandbox, world) = Sandbox::new(engine, limits, |store| pre.instantiate(store))?;
        Ok(Guest { sandbox, world })
    }

    fn describe(&mut self) -> Result<ModelInfo, CallError> {
        let Guest { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        Ok(sandbox.call(deadline, |store| world.skerry_embedding_embedder().call_describe(store))??)
    }

    fn embed(
        &mut self,
        texts: &[String],
        deadline: Duration,
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Embedding>, CallError> {
        let Guest { sandbox, world } = self;
        let embedder = world.skerry_embedding_embedder();
        let embeddings = sandbox.call_with(deadline, cancel, |store| embedder.call_embed(store, texts))??;
        if embeddings.len() == texts.len() {
            Ok(embeddings)
        } else {
            Err(CallError::Guest(format!("{} embeddings for {} texts", embeddings.len(), texts.len())))
        }
    }
}

impl From<embedder::Error> for CallError {
    fn from(error: embedder::Error) -> Self {
        match error {
            embedder::Error::NoWeights(reason) => CallError::NoWeights(reason),
            embedder::Error::BatchTooLarge(most) => CallError::Guest(format!("at most {most} texts a call")),
            embedder::Error::Other(reason) => CallError::Guest(reason),
        }
    }
}

/// Texts, cut into pieces that workers take one after another.
struct Job<'a> {
    texts: &'a [&'a str],
    /// Positions of texts, one list per guest call.
    pieces: &'a [Vec<usize>],
    next: AtomicUsize,
    /// Whether they are still wanted.
    cancel: Option<&'a Cancel>,
}

/// What a text costs, in about tokens: the model looks at 256 of them at most, the tokenizer at every byte.
fn cost(text: &str) -> usize {
    (text.len() / 4).min(254) + 2 + text.len() / 2_048
}

/// Cuts a job into pieces of about equal cost, the costliest texts first: the small ones at the end even things out.
fn cut(texts: &[&str], instances: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, usize, usize)> =
        texts.iter().enumerate().map(|(position, text)| (cost(text), position, text.len())).collect();
    order.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let whole: usize = order.iter().map(|(cost, ..)| cost).sum();
    let most = if instances == 1 { usize::MAX } else { whole.div_ceil(instances * PIECES_PER_INSTANCE) };
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    let (mut piece, mut piece_cost, mut piece_bytes) = (Vec::new(), 0, 0);
    for (cost, position, bytes) in order {
        let full = piece.len() == CALL_TEXTS_MAX || piece_cost + cost > most || piece_bytes + bytes > CALL_BYTES_MAX;
        if full && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            (piece_cost, piece_bytes) = (0, 0);
        }
        piece.push(position);
        piece_cost += cost;
        piece_bytes += bytes;
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Puts the answers back into the order of the texts; the error of the earliest piece wins, whichever came first.
fn assemble(
    count: usize,
    pieces: &[Vec<usize>],
    mut done: Vec<(usize, Result<Vec<Embedding>, CallError>)>,
) -> Result<Vec<Embedding>, CallError> {
    done.sort_unstable_by_key(|(index, _)| *index);
    let mut ordered: Vec<Option<Embedding>> = std::iter::repeat_with(|| None).take(count).collect();
    for (index, result) in done {
        let embeddings = result?;
        for (&position, embedding) in pieces.get(index).into_iter().flatten().zip(embeddings) {
            if let Some(place) = ordered.get_mut(position) {
                *place = Some(embedding);
            }
        }
    }
    ordered.into_iter().collect::<Option<_>>().ok_or_else(|| CallError::Guest("an embedding is missing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text must be in exactly one piece, no piece above the limits of a guest call.
    #[test]
    fn pieces_cover_every_text_once() {
        let long = "x".repeat(3 << 20);
        let mut texts: Vec<String> = (0..500).map(|n| "word ".repeat(n)).collect();
        texts.extend([long.clone(), long, String::new()]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for instances in [1, 2, 7] {
            let pieces = cut(&texts, instances);
            let mut seen: Vec<usize> = pieces.iter().flatten().copied().collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..texts.len()).collect::<Vec<_>>());
            for piece in &pieces {
                let bytes: usize = piece.iter().map(|&text| texts[text].len()).sum();
                assert!(piece.len() <= CALL_TEXTS_MAX && bytes <= CALL_BYTES_MAX);
            }
        }
        assert!(cut(&[], 2).is_empty());
    }

    /// A job of few texts must still use every instance.
    #[test]
    fn few_texts_are_spread() {
        assert_eq!(cut(&["a", "b"], 2).len(), 2);
        assert_eq!(cut(&["a", "b"], 1).len(), 1);
    }
}
