//! Baking: a component with data in its memory becomes a component of its own.
//!
//! The data is pushed through the component's typed exports into one instance, whose memory and globals are then written
//! over the initial ones (pre-initialisation, by wasmtime-wizer). The result imports nothing, opens with the data in
//! place, and shares its memory between instances until they write to it. The same input gives the same bytes.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::Store;
use wasmtime::component::{Instance, Lift, Linker, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::bindings::embedding::Embedding as EmbeddingWorld;
use crate::bindings::embedding::exports::skerry::embedding::weights;
use crate::bindings::query::Query as QueryWorld;
use crate::bindings::query::exports::skerry::query::image;
use crate::engine::{self, Engine};
use crate::graph;
use crate::inspect::{self, InspectError, MemoryImage};
use crate::segment::DocumentError;
use crate::types::Document;

/// Bytes of weights that go in at a time: small enough that the buffer they pass through leaves no trace in the image.
const CHUNK_BYTES: usize = 64 << 10;

/// Bytes that are read from a laid out segment at a time.
const READ_BYTES: u32 = 1 << 20;

/// Why a component could not be baked or compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BakeError {
    /// The bytes are not a component.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The component asks for things; only pure ones can be baked.
    #[error("the component is not pure; it imports {}", .0.join(", "))]
    NotPure(Vec<String>),
    /// The component has weights or documents already; bake the one that was built, not one that was baked.
    #[error("the component was baked already")]
    AlreadyLoaded,
    /// The packed weights are damaged or of another version of the format; the text says where.
    #[error("the packed weights cannot be used: {0}")]
    Weights(String),
    /// A document was refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The image is so sparse that each instance would copy it; the component does not keep its data together.
    #[error(
        "the baked memory spans {} bytes with data in {} of them: too sparse to be mapped", .0.span_bytes, .0.data_bytes
    )]
    Sparse(MemoryImage),
    /// The component trapped while it took the data, ran out of memory, or cannot be compiled.
    #[error("baking failed: {0}")]
    Failed(String),
}

impl From<wasmtime::Error> for BakeError {
    fn from(error: wasmtime::Error) -> Self {
        BakeError::Failed(format!("{error:#}"))
    }
}

/// Bakes packed weights into an embedding component. `progress` is told the bytes done and the bytes in all.
///
/// # Errors
/// [`BakeError::Weights`] when the weights are damaged; see [`BakeError`].
pub fn embedding(wasm: &[u8], packed_weights: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<u8>, BakeError> {
    bake(wasm, |store, instance| {
        let world = EmbeddingWorld::new(&mut *store, instance)?;
        let weights = world.skerry_embedding_weights();
        let length = packed_weights.len() as u64;
        weights.call_reserve(&mut *store, length)??;
        let mut done = 0;
        for chunk in packed_weights.chunks(CHUNK_BYTES) {
            weights.call_append(&mut *store, chunk)??;
            done += chunk.len() as u64;
            progress(done, length);
        }
        Ok(weights.call_finish(store)??)
    })
}

/// How far the baking of a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many documents are in.
    Documents(u64),
    /// The graph over so many vectors is being built; the longest step where there is one.
    Graph(u64),
    /// The arrays are copied and the snapshot is taken.
    Snapshot,
}

/// Bakes documents into a query component: a snapshot of a segment, with a graph when it has 20,000 vectors or more.
///
/// Two instances take part. The first takes the documents and lays them out; the second takes exactly sized arrays and
/// nothing else, so that the image has no holes.
///
/// # Errors
/// [`BakeError::Document`] when one is refused; see [`BakeError`].
pub fn segment(
    wasm: &[u8],
    batches: impl Iterator<Item = Vec<Document>>,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<Vec<u8>, BakeError> {
    described_segment(wasm, batches, || None, progress)
}

/// As [`segment`], with a description of what it is a snapshot of ([`crate::snapshot::Manifest::describe`]), which is asked for
/// when all documents are in.
///
/// # Errors
/// As [`segment`].
pub fn snapshot(
    wasm: &[u8],
    batches: impl Iterator<Item = Vec<Document>>,
    describe: impl FnOnce() -> Vec<u8>,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<Vec<u8>, BakeError> {
    described_segment(wasm, batches, || Some(describe()), progress)
}

fn described_segment(
    wasm: &[u8],
    batches: impl Iterator<Item = Vec<Document>>,
    describe: impl FnOnce() -> Option<Vec<u8>>,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<Vec<u8>, BakeError> {
    let prepare = |engine: &wasmtime::Engine, component: &wasmtime::component::Component| {
        let mut sections = lay_out(engine, component, batches, progress)?;
        add_graph(&mut sections, progress)?;
        sections.extend(describe().map(|description| ("snapshot.description".to_owned(), description)));
        progress(Step::Snapshot);
        Ok(sections)
    };
    bake_prepared(wasm, prepare, |sections, store, instance| {
        let world = QueryWorld::new(&mut *store, instance)?;
        let image = world.skerry_query_image();
        let listed: Vec<image::Section> = sections
            .iter()
            .map(|(name, bytes)| image::Section { name: name.clone(), bytes: bytes.len() as u64 })
            .collect();
        image.call_reserve(&mut *store, &listed)??;
        for (name, bytes) in sections {
            for chunk in bytes.chunks(CHUNK_BYTES) {
                image.call_append(&mut *store, &name, chunk)??;
            }
        }
        Ok(image.call_finish(store)??)
    })
}

/// The sections of a segment with these documents, from an instance that is gone when this returns.
fn lay_out(
    engine: &wasmtime::Engine,
    component: &wasmtime::component::Component,
    batches: impl Iterator<Item = Vec<Document>>,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<BTreeMap<String, Vec<u8>>, BakeError> {
    let mut store = Store::new(engine, ());
    store.set_hostcall_fuel(usize::MAX);
    let instance = Linker::new(engine).instantiate(&mut store, component)?;
    let world = QueryWorld::new(&mut store, &instance)?;
    let mut done = 0;
    for batch in batches {
        done += batch.len() as u64;
        let upserted = world.skerry_query_documents().call_upsert(&mut store, &batch)?;
        upserted.map_err(DocumentError::from)?;
        progress(Step::Documents(done));
    }
    let image = world.skerry_query_image();
    let mut sections = BTreeMap::new();
    for section in image.call_lay_out(&mut store)?? {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < section.bytes {
            let chunk = image.call_read(&mut store, &section.name, bytes.len() as u64, READ_BYTES)?;
            if chunk.is_empty() {
                return Err(BakeError::Failed(format!("section {} ends early", section.name)));
            }
            bytes.extend(chunk);
        }
        sections.insert(section.name, bytes);
    }
    Ok(sections)
}

fn add_graph(
    sections: &mut BTreeMap<String, Vec<u8>>,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<(), BakeError> {
    let empty = Vec::new();
    let section = |name: &str| sections.get(name).unwrap_or(&empty);
    let numbers = section("vectors.inverse-norms").as_chunks().0;
    let inverse_norms: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if inverse_norms.len() < graph::VECTORS_MIN {
        return Ok(());
    }
    let rows: Vec<i8> = section("vectors.rows").iter().map(|byte| byte.cast_signed()).collect();
    let built = graph::build(&rows, &inverse_norms, |done| progress(Step::Graph(done)))?;
    let bytes = |numbers: Vec<u32>| numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    sections.insert("graph.offsets".to_owned(), bytes(built.offsets));
    sections.insert("graph.links".to_owned(), bytes(built.links));
    sections.insert("graph.layers".to_owned(), bytes(built.layers));
    Ok(())
}

/// Compiles a component to native code for this engine and machine.
///
/// # Errors
/// [`BakeError::Failed`] when it is not a component that this machine can run.
pub fn precompile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, BakeError> {
    Ok(engine.wasm().precompile_component(wasm)?)
}

fn bake(
    wasm: &[u8],
    fill: impl FnOnce(&mut Store<()>, &Instance) -> Result<(), BakeError>,
) -> Result<Vec<u8>, BakeError> {
    bake_prepared(wasm, |_, _| Ok(()), |(), store, instance| fill(store, instance))
}

/// `prepare` may use the component in instances of its own; what it gives, `fill` puts into the one that the snapshot is
/// taken of.
fn bake_prepared<T>(
    wasm: &[u8],
    prepare: impl FnOnce(&wasmtime::Engine, &wasmtime::component::Component) -> Result<T, BakeError>,
    fill: impl FnOnce(T, &mut Store<()>, &Instance) -> Result<(), BakeError>,
) -> Result<Vec<u8>, BakeError> {
    let imports = inspect::imports(wasm)?;
    if !imports.is_empty() {
        return Err(BakeError::NotPure(imports));
    }
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(wasm)?;
    let engine = wasmtime::Engine::new(&engine::for_baking())?;
    let component = wasmtime::component::Component::from_binary(&engine, &instrumented)?;
    let prepared = prepare(&engine, &component)?;
    let mut store = Store::new(&engine, ());
    // The snapshot hands the whole memory over in one answer, which is otherwise held to 128 MiB.
    store.set_hostcall_fuel(usize::MAX);
    let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
    fill(prepared, &mut store, &instance)?;
    let mut reader = Reader { store, instance, failure: None };
    let baked = finish(wizer.snapshot_component(&context, &mut reader))??;
    if let Some(failure) = reader.failure {
        return Err(failure.into());
    }
    let image = inspect::memory_image(&baked)?;
    if image.is_mapped() { Ok(baked) } else { Err(BakeError::Sparse(image)) }
}

/// Runs a future that never waits: the reader below answers at once.
fn finish<T>(future: impl Future<Output = T>) -> Result<T, BakeError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(BakeError::Failed("the snapshot waits for something".to_owned())),
    }
}

/// Reads an instance's memory and globals through the exports that wizer added. The trait has no errors, so the first one
/// is kept and the snapshot thrown away.
struct Reader {
    store: Store<()>,
    instance: Instance,
    failure: Option<wasmtime::Error>,
}

impl Reader {
    fn get<R: Lift + 'static>(&mut self, interface: &str, function: &str) -> Option<R> {
        let answer = self.call::<R>(interface, function);
        answer.map_err(|error| self.failure.get_or_insert(error)).ok()
    }

    fn call<R: Lift + 'static>(&mut self, interface: &str, function: &str) -> wasmtime::Result<R> {
        let missing = || wasmtime::Error::msg(format!("no export {interface}.{function}"));
        let (_, interface) = self.instance.get_export(&mut self.store, None, interface).ok_or_else(missing)?;
        let (_, export) = self.instance.get_export(&mut self.store, Some(&interface), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut self.store, export)?;
        Ok(function.call(&mut self.store, ())?.0)
    }
}

impl ComponentInstanceState for Reader {
    async fn call_func_ret_list_u8(&mut self, interface: &str, function: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(list) = self.get::<WasmList<u8>>(interface, function) {
            contents(list.as_le_slice(&self.store));
        }
    }

    async fn call_func_ret_s32(&mut self, interface: &str, function: &str) -> i32 {
        self.get(interface, function).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, interface: &str, function: &str) -> i64 {
        self.get(interface, function).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, interface: &str, function: &str) -> u32 {
        self.get::<f32>(interface, function).unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, interface: &str, function: &str) -> u64 {
        self.get::<f64>(interface, function).unwrap_or_default().to_bits()
    }
}

impl From<image::Error> for BakeError {
    fn from(error: image::Error) -> Self {
        match error {
            image::Error::NotEmpty => BakeError::AlreadyLoaded,
            image::Error::Section(name) => BakeError::Failed(format!("section `{name}` does not fit")),
            image::Error::Inconsistent(reason) | image::Error::Other(reason) => BakeError::Failed(reason),
        }
    }
}

impl From<weights::Error> for BakeError {
    fn from(error: weights::Error) -> Self {
        match error {
            weights::Error::AlreadyLoaded => BakeError::AlreadyLoaded,
            weights::Error::OutOfOrder(reason) | weights::Error::Malformed(reason) | weights::Error::Other(reason) => {
                BakeError::Weights(reason)
            }
        }
    }
}
