//! Files that are no plugins, or not of the kind that they are given as: refused when they are opened, with what to do.

use std::path::PathBuf;

use skerry_fuzz::Target;
use skerry_host::inspect::InspectError;
use skerry_host::plugin::{FILE_BYTES_MAX, PluginError, PluginFault, PluginLimits, Reranker, Transform};
use skerry_host::{CallError, Limits};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{LIMITS, batch, built, cache, entry, transform};
use crate::artefacts::{ENGINE, wasm};

/// A component of a world of `wit/plugin` around a module in WebAssembly's text format.
fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/plugin"))).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// A transform around the body of its function; its answer begins at byte 16, and memory has 17 pages.
fn transform_module(start: &str, body: &str) -> String {
    format!(
        r#"(module
            (memory (export "memory") 17)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $next (i32.add (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)) (local.get 3)))
                (i32.sub (global.get $next) (local.get 3)))
            (func (export "skerry:plugin/publishing@0.1.0#transform")
                (param i32 i32 i32 i32 i32 i32) (result i32) (local $at i32)
                {body}
                (i32.const 16))
            {start})"#
    )
}

fn open(wasm: &[u8]) -> Result<Transform, PluginError> {
    Transform::open(&ENGINE, cache(), wasm, LIMITS)
}

/// Everything that is not a component is told by what it is.
#[test]
fn what_is_no_component_is_refused() {
    for garbage in [b"".as_slice(), b"\0asm", b"#!/bin/sh\n", &[0; 4096], b"\0asm\x0d\0\x01\0\xff\xff\xff\xff"] {
        let error = open(garbage).unwrap_err();
        assert!(matches!(error, PluginError::Inspect(InspectError::Malformed(_))), "{error}");
    }
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(open(&module).unwrap_err(), PluginError::Inspect(InspectError::CoreModule)));
    let error = open(&vec![0; FILE_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(error, PluginError::TooLarge { .. }), "{error}");
}

/// A component that wants WASI is told how it is built without; so is one that wants anything else that it gets nothing.
#[test]
fn imports_are_refused() {
    let wants = |import: &str| wat::parse_str(format!(r#"(component (import "{import}" (instance)))"#)).unwrap();
    let error = open(&wants("wasi:cli/environment@0.2.3")).unwrap_err().to_string();
    assert!(error.contains("wasi:cli/environment@0.2.3") && error.contains("disableFeatures"), "{error}");
    let error = open(&wants("evil:host/shell")).unwrap_err().to_string();
    assert!(error.contains("evil:host/shell") && !error.contains("disableFeatures"), "{error}");
    // A function under the one name that is let pass is not there either.
    let hidden = r#"(component
        (import "skerry:plugin/types@0.1.0" (instance (export "read-file" (func (param "name" string)))))
        (core module $m (memory (export "memory") 1))
        (instance (export "skerry:plugin/publishing@0.1.0")))"#;
    let error = open(&wat::parse_str(hidden).unwrap()).unwrap_err();
    assert!(matches!(&error, PluginError::Interface { reason, .. } if reason.contains("read-file")), "{error}");
}

/// A plugin of another kind is named as that; a function that is missing or of another type is named as well.
#[test]
fn exports_are_compared_when_it_is_opened() {
    let error = open(&wasm("query")).unwrap_err().to_string();
    assert!(error.contains("skerry:plugin/publishing@0.1.0") && error.contains("skerry:query/search"), "{error}");
    let error = Reranker::open(&ENGINE, cache(), &built("redact"), LIMITS).unwrap_err().to_string();
    assert!(error.contains("list it as a transform"), "{error}");
    let empty = r#"(component (instance $i) (export "skerry:plugin/publishing@0.1.0" (instance $i)))"#;
    let error = open(&wat::parse_str(empty).unwrap()).unwrap_err();
    assert!(matches!(&error, PluginError::Interface { reason, .. } if reason.contains("transform")), "{error}");
    let other = r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 1)))
        (core instance $c (instantiate $m))
        (func $f (result u32) (canon lift (core func $c "f")))
        (instance $i (export "transform" (func $f)))
        (export "skerry:plugin/publishing@0.1.0" (instance $i)))"#;
    let error = open(&wat::parse_str(other).unwrap()).unwrap_err();
    assert!(matches!(&error, PluginError::Interface { reason, .. } if reason.contains("publishing@0.1.0")), "{error}");
}

/// What takes too much before it is called does not start: more memory than it may have, and a start that never ends.
#[test]
fn what_does_not_start_is_refused() {
    let small = PluginLimits { call: Limits { memory_bytes_max: 1 << 20, ..LIMITS.call }, ..LIMITS };
    let large = component("transform", &transform_module("", ""));
    let error = Transform::open(&ENGINE, cache(), &large, small).unwrap_err();
    assert!(matches!(error, PluginError::Start(CallError::MemoryExceeded { .. })), "{error}");
    let endless = component("transform", &transform_module("(func $s (loop $l (br $l))) (start $s)", ""));
    let error = open(&endless).unwrap_err();
    assert!(matches!(error, PluginError::Start(CallError::DeadlineExceeded)), "{error}");
}

/// An answer may name one place of memory many times: what counts is what the host would have to hold. 10,000 refusals of one
/// megabyte each, which all are the same megabyte, fit into the guest's memory, and would take ten gigabytes here.
#[test]
fn an_answer_that_repeats_itself_is_cut_off() {
    // A verdict is 52 bytes: the case, then the text's place and length.
    let body = "
        (i32.store (i32.const 20) (i32.const 65536)) (i32.store (i32.const 24) (i32.const 10000))
        (local.set $at (i32.const 65536))
        (loop $l
            (i32.store8 (local.get $at) (i32.const 2))
            (i32.store offset=4 (local.get $at) (i32.const 0)) (i32.store offset=8 (local.get $at) (i32.const 1048576))
            (local.set $at (i32.add (local.get $at) (i32.const 52)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 585536))))";
    let plugin = transform(&component("transform", &transform_module("", body)));
    let fault = plugin.transform(&batch("", vec![entry("a", "")]), None).unwrap_err();
    assert_eq!(fault, PluginFault::Call(CallError::OutputExceeded { bytes_max: 4 << 20 }));
}

/// An answer that is no value of its type: a case that there is not, a list beyond memory, text that is no UTF-8.
#[test]
fn a_malformed_answer_is_a_trap() {
    let list = |at: u32, length: u32| {
        format!("(i32.store (i32.const 20) (i32.const {at})) (i32.store (i32.const 24) (i32.const {length}))")
    };
    let no_case = "(i32.store8 (i32.const 16) (i32.const 7))".to_owned();
    let beyond = list(64, 1_000_000_000);
    let crooked = list(65, 1);
    let no_text = list(64, 1)
        + "(i32.store8 (i32.const 64) (i32.const 2)) (i32.store (i32.const 68) (i32.const 200))
           (i32.store (i32.const 72) (i32.const 1)) (i32.store8 (i32.const 200) (i32.const 255))";
    for body in [no_case, beyond, crooked, no_text] {
        let plugin = transform(&component("transform", &transform_module("", &body)));
        let fault = plugin.transform(&batch("", vec![entry("a", "")]), None).unwrap_err();
        assert!(matches!(&fault, PluginFault::Call(CallError::Trapped(_))), "{body}: {fault}");
    }
    // Nothing is as much a fault as too much.
    let plugin = transform(&component("transform", &transform_module("", &list(64, 0))));
    let fault = plugin.transform(&batch("", vec![entry("a", "")]), None).unwrap_err();
    assert_eq!(fault, PluginFault::Answer("0 verdicts for 1 records".to_owned()));
}

/// Plugins with changed bytes: most are refused, some start; none makes the host panic, and whatever starts is stopped.
#[test]
fn changed_plugins_do_not_panic() {
    let corpus = [component("transform", &transform_module("", "")), built("redact")];
    let mut limits = LIMITS;
    limits.call.deadline = std::time::Duration::from_millis(50);
    Target::new("plugins", &corpus).cases(60).run(|bytes| {
        let folder = tempfile::tempdir().unwrap();
        if let Ok(plugin) = Transform::open(&ENGINE, folder.path(), bytes, limits) {
            let _ = plugin.transform(&batch("", vec![entry("a", "ann@example.org")]), None);
        }
    });
}
