//! One call, one instance: how code that is not ours is run.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use super::check::check;
use super::{PluginError, PluginKind, PluginLimits, words};
use crate::call::{CallError, Guard, Limits, Sandbox};
use crate::cancel::Cancel;
use crate::components::{ArtefactError, Component};
use crate::engine::Engine;

/// How often somebody who waits for their turn looks whether the answer is still wanted.
const CANCEL_LOOKED_AT: Duration = Duration::from_millis(20);

/// Runs calls of one plugin, each in an instance of its own, so many at once.
pub(super) struct Isolate {
    engine: Engine,
    limits: PluginLimits,
    running: Mutex<usize>,
    ended: Condvar,
}

impl std::fmt::Debug for Isolate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolate").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Checks and compiles a component; the native code is kept in `cache_dir`.
pub(super) fn prepare(
    engine: &Engine,
    cache_dir: &Path,
    kind: PluginKind,
    wasm: &[u8],
) -> Result<InstancePre<Guard>, PluginError> {
    check(kind, wasm)?;
    let component = compiled(engine, cache_dir, wasm)?;
    // Nothing is in the linker: what a component asks for in some hidden way is not there.
    Linker::new(engine.wasm()).instantiate_pre(component.wasm()).map_err(|error| different(kind, &error))
}

#[cfg(feature = "compile")]
fn compiled(engine: &Engine, cache_dir: &Path, wasm: &[u8]) -> Result<Component, ArtefactError> {
    Component::open(engine, cache_dir, "plugin", wasm)
}

/// A program without a compiler runs no plugins, and says so rather than to do without them.
#[cfg(not(feature = "compile"))]
fn compiled(_: &Engine, _: &Path, _: &[u8]) -> Result<Component, ArtefactError> {
    let reason = "this program cannot compile components; use a node".to_owned();
    Err(ArtefactError::Compile { name: "the plugin".to_owned(), reason })
}

/// The component's exports are not those of its kind.
pub(super) fn different(kind: PluginKind, error: &wasmtime::Error) -> PluginError {
    PluginError::Interface { kind, reason: words(&format!("{error:#}")) }
}

impl Isolate {
    /// One that has made an instance, so that what does not start is found when it is opened.
    pub(super) fn new<I>(
        engine: &Engine,
        kind: PluginKind,
        limits: PluginLimits,
        instantiate: impl FnOnce(&mut Store<Guard>) -> wasmtime::Result<I>,
    ) -> Result<Isolate, PluginError> {
        match Sandbox::new(engine, limits.call, instantiate) {
            Ok(_) => {}
            // The types of exports are compared when an instance is made. A trap of a start function says the same here; both
            // are told in the engine's words.
            Err(CallError::Instantiate(reason)) => {
                let interface = kind.interface();
                let reason = format!("no instance with the functions of `{interface}` can be made: {}", words(&reason));
                return Err(PluginError::Interface { kind, reason });
            }
            Err(error) => return Err(PluginError::Start(error)),
        }
        Ok(Isolate { engine: engine.clone(), limits, running: Mutex::new(0), ended: Condvar::new() })
    }

    /// Makes an instance, calls it, and throws it away. Waits while as many calls run as may at once.
    pub(super) fn run<I, T>(
        &self,
        cancel: Option<&Cancel>,
        instantiate: impl FnOnce(&mut Store<Guard>) -> wasmtime::Result<I>,
        call: impl FnOnce(&I, &mut Store<Guard>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        let _turn = self.turn(cancel)?;
        let started = Instant::now();
        let (mut sandbox, instance) = Sandbox::new(&self.engine, self.limits.call, instantiate)?;
        sandbox.limit_output(self.limits.output_bytes_max);
        let left = self.limits.call.deadline.saturating_sub(started.elapsed());
        let answered = sandbox.call_with(left, cancel, |store| call(&instance, store));
        answered.map_err(|error| match error {
            CallError::Trapped(reason) => CallError::Trapped(words(&reason)),
            other => other,
        })
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits.call
    }

    fn turn(&self, cancel: Option<&Cancel>) -> Result<Turn<'_>, CallError> {
        let mut running = self.lock();
        while *running >= self.limits.calls_at_once.max(1) {
            if cancel.is_some_and(Cancel::is_cancelled) {
                // It may have been woken in another's stead.
                self.ended.notify_one();
                return Err(CallError::Cancelled);
            }
            running = self.ended.wait_timeout(running, CANCEL_LOOKED_AT).unwrap_or_else(PoisonError::into_inner).0;
        }
        *running += 1;
        Ok(Turn { isolate: self })
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that runs; its place is free when this is dropped, also by a panic.
struct Turn<'a> {
    isolate: &'a Isolate,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.isolate.lock() -= 1;
        self.isolate.ended.notify_one();
    }
}
