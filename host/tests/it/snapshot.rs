//! Files that are handed on: read as they were written, refused when a byte of them was changed, and run by any host.

use skerry_host::keys::{SigningKey, TrustedKeys};
use skerry_host::snapshot::{
    Chunking, EMBEDDING, FORMAT, Manifest, Model, QUERY, SnapshotError, SnapshotFile, SnapshotReader, assemble, sign,
    verify,
};
use skerry_host::types::Request;
use skerry_host::{Component, Embedder, bake, inspect};

use crate::artefacts::{ENGINE, LIMITS, documents, wasm};

fn manifest(records: u32, has_model: bool) -> Manifest {
    Manifest {
        format: FORMAT,
        project: "harbour".to_owned(),
        description: "Pilot \"books\"".to_owned(),
        version: "0b".repeat(32),
        heads: [("2m4Bsu5iXayB4rHP8NDnYEUrxunp".to_owned(), vec!["ab".repeat(32)])].into(),
        epoch: "0-0000000000000000".to_owned(),
        model: Some(Model {
            id: "m".to_owned(),
            name: "all-MiniLM-L6-v2".to_owned(),
            dimensions: 384,
            tokens_max: 256,
        }),
        chunking: Chunking { tokens: 256, overlap: 32 },
        records: u64::from(records),
        chunks: u64::from(records),
        has_records: true,
        has_model,
        parts: Vec::new(),
        made_by: "skerry 0.1.0".to_owned(),
    }
}

fn query(manifest: &Manifest) -> Vec<u8> {
    let records = manifest.records as u32;
    bake::snapshot(&wasm("query"), std::iter::once(documents(0, records)), || manifest.describe(), &|_| ()).unwrap()
}

pub(crate) fn small(records: u32) -> (Manifest, Vec<u8>) {
    let manifest = manifest(records, false);
    let file = assemble(&query(&manifest), None, &manifest).unwrap();
    (manifest, file)
}

fn keyword(text: &str) -> Request {
    Request { text: Some(text.to_owned()), ..Request::default() }
}

/// The manifest is part of the format: members, their order, no white space; and the file is a component that imports nothing.
#[test]
fn a_snapshot_says_what_it_is() {
    let (manifest, file) = small(40);
    let read = SnapshotFile::read(&file).unwrap();
    let part = read.part(QUERY).unwrap();
    let json = String::from_utf8(manifest.describe()).unwrap();
    let expected = concat!(
        r#"{"format":1,"project":"harbour","description":"Pilot \"books\"","version":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"#,
        r#"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b","heads":{"2m4Bsu5iXayB4rHP8NDnYEUrxunp":["abababababababababababababababab"#,
        r#"abababababababababababababababab"]},"epoch":"0-0000000000000000","model":{"id":"m","name":"all-MiniLM-L6-v2","#,
        r#""dimensions":384,"tokens_max":256},"chunking":{"tokens":256,"overlap":32},"records":40,"chunks":40,"#,
        r#""has_records":true,"has_model":false,"made_by":"skerry 0.1.0"}"#
    );
    assert_eq!(json, expected);
    let parts = format!(
        r#""has_model":false,"parts":[{{"name":"query","sha256":"{}","bytes":{}}}],"made_by""#,
        read.part_sha256(QUERY).unwrap(),
        part.len()
    );
    let whole = json.replace(r#""has_model":false,"made_by""#, &parts);
    assert!(file.ends_with(whole.as_bytes()), "the manifest is the end of an unsigned file");
    assert_eq!(inspect::imports(&file).unwrap(), Vec::<String>::new());
    assert!(read.signer().is_none() && read.part(EMBEDDING).is_none());
}

/// The same documents and the same description give the same file; it answers as the segment does that it was baked from.
#[test]
fn a_snapshot_answers_as_its_segment() {
    let (manifest, file) = small(100);
    assert!(small(100).1 == file);
    let read = SnapshotFile::read(&file).unwrap();
    let component = Component::compile(&ENGINE, QUERY, read.part(QUERY).unwrap()).unwrap();
    let mut reader = SnapshotReader::open(&ENGINE, &component, LIMITS).unwrap();
    reader.check(read.manifest()).unwrap();
    assert_eq!((reader.manifest(), reader.describe()), (&manifest, manifest.describe().as_slice()));
    let response = reader.search(&keyword("harbour lantern")).unwrap();
    assert_eq!(response.hits[0].payload.len(), 4, "payloads come with the hits");
    assert!(reader.parse("tide \"harbour\"").unwrap().is_ok());

    let plain = bake::segment(&wasm("query"), std::iter::once(documents(0, 100)), &|_| ()).unwrap();
    let plain = Component::compile(&ENGINE, QUERY, &plain).unwrap();
    let mut segment = skerry_host::Segment::new(&ENGINE, &plain, LIMITS).unwrap();
    assert_eq!(segment.query(&keyword("harbour lantern")).unwrap(), response);
    // A segment of a node is no snapshot, and says so.
    let refused = SnapshotReader::open(&ENGINE, &plain, LIMITS).unwrap_err();
    assert!(matches!(refused, SnapshotError::NotASnapshot(_)), "{refused}");
}

/// One file with the model inside: any host runs the composition, ours takes the parts out, and each is what went in.
#[test]
fn a_snapshot_with_its_model_is_one_component() {
    let (manifest, model) = (manifest(30, true), wasm("embedding-static"));
    let baked = query(&manifest);
    let file = assemble(&baked, Some(&model), &manifest).unwrap();
    assert_eq!(inspect::imports(&file).unwrap(), Vec::<String>::new());
    let exports = inspect::exports(&file).unwrap();
    for interface in ["query/documents", "query/search", "query/language", "query/snapshot", "embedding/embedder"] {
        assert!(exports.contains(&format!("skerry:{interface}@0.1.0")), "{interface} is not in {exports:?}");
    }
    let read = SnapshotFile::read(&file).unwrap();
    assert!(read.part(QUERY) == Some(&baked[..]) && read.part(EMBEDDING) == Some(&model[..]));

    // The whole of it is a component that a host without knowledge of us can compile and instantiate.
    let composed = Component::compile(&ENGINE, "composed", &file).unwrap();
    let embedder = Embedder::new(&ENGINE, &composed, 1, LIMITS).unwrap();
    let alone = Component::compile(&ENGINE, EMBEDDING, read.part(EMBEDDING).unwrap()).unwrap();
    let alone = Embedder::new(&ENGINE, &alone, 1, LIMITS).unwrap();
    assert_eq!(embedder.embed(&["high water"]).unwrap(), alone.embed(&["high water"]).unwrap());

    let lied = Manifest { has_model: false, ..manifest };
    assert!(matches!(assemble(&baked, Some(&model), &lied), Err(SnapshotError::Inconsistent(_))));
}

/// A file that is not what was baked is refused before anything of it runs: each bit of the sections behind the component, and
/// bytes all over the component itself; and wherever it is cut short.
#[test]
fn a_changed_file_is_refused() {
    let key = SigningKey::generate().unwrap();
    let (_, plain) = small(20);
    let component_bytes = SnapshotFile::read(&plain).unwrap().part(QUERY).unwrap().len();
    let file = sign(plain, &key).unwrap();
    assert_eq!(SnapshotFile::read(&file).unwrap().signer(), Some(key.public()));
    let trusted = TrustedKeys::new([key.public()]);
    let accepted = |file: &[u8]| SnapshotFile::read(file).and_then(|read| verify(&read, &trusted)).is_ok();
    assert!(accepted(&file));
    let mut changed = file.clone();
    for position in component_bytes..file.len() {
        for bit in 0..8 {
            changed[position] ^= 1 << bit;
            assert!(
                !accepted(&changed),
                "bit {bit} of byte {position}, {} behind the component",
                position - component_bytes
            );
            changed[position] ^= 1 << bit;
        }
    }
    // The component is 800 KB, so not every byte of it.
    for position in (0..component_bytes).step_by(component_bytes / 40) {
        changed[position] ^= 0x10;
        assert!(SnapshotFile::read(&changed).is_err(), "byte {position}");
        changed[position] ^= 0x10;
    }
    for length in [0, 7, 8, 9, component_bytes - 1, component_bytes, component_bytes + 5, file.len() - 1] {
        assert!(!accepted(&file[..length]), "cut to {length}");
    }
    let longer = [&file[..], b"\0\x02\x01x"].concat();
    assert!(matches!(SnapshotFile::read(&longer), Err(SnapshotError::Changed(_))));
}

/// Integrity needs no signature: without one, a manifest that was written anew with other words is found when it is opened, since
/// the same words are baked in.
#[test]
fn a_rewritten_manifest_does_not_fit_what_is_baked_in() {
    let (manifest, file) = small(10);
    let read = SnapshotFile::read(&file).unwrap();
    let lied = Manifest { description: "Somebody else's".to_owned(), ..manifest };
    let forged = assemble(read.part(QUERY).unwrap(), None, &lied).unwrap();
    let read = SnapshotFile::read(&forged).unwrap();
    let component = Component::compile(&ENGINE, QUERY, read.part(QUERY).unwrap()).unwrap();
    let reader = SnapshotReader::open(&ENGINE, &component, LIMITS).unwrap();
    let refused = reader.check(read.manifest()).unwrap_err();
    assert!(matches!(&refused, SnapshotError::Changed(_)) && refused.to_string().contains("Get it anew"), "{refused}");
}

/// Whose it is: not signed, signed by somebody else, and a signature that is another file's are told apart, and each says
/// what to do.
#[test]
fn signatures_tell_whose_it_is() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let trusted = TrustedKeys::new([key.public()]);
    let refusal = |file: &[u8]| verify(&SnapshotFile::read(file).unwrap(), &trusted).unwrap_err();
    let ((_, one), (_, two)) = (small(10), small(11));
    let unsigned = refusal(&one);
    assert!(matches!(&unsigned, SnapshotError::Unsigned) && unsigned.to_string().contains("--sign"), "{unsigned}");
    let untrusted = refusal(&sign(one.clone(), &other).unwrap());
    assert!(matches!(untrusted, SnapshotError::Untrusted { key } if key == other.public()), "{untrusted}");

    let (one_signed, two_signed) = (sign(one.clone(), &key).unwrap(), sign(two.clone(), &key).unwrap());
    let moved = [&two[..], &one_signed[one.len()..]].concat();
    let forged = refusal(&moved);
    assert!(matches!(forged, SnapshotError::Forged { .. }), "{forged}");
    // Another signature takes the place of the first; the same key gives the same bytes.
    assert!(sign(two_signed.clone(), &key).unwrap() == two_signed);
    verify(&SnapshotFile::read(&two_signed).unwrap(), &trusted).unwrap();
    assert!(matches!(refusal(&sign(two_signed, &other).unwrap()), SnapshotError::Untrusted { .. }));
}

/// Other things that are components or nearly so, and a file of a later program.
#[test]
fn other_files_are_no_snapshots() {
    for file in [&b""[..], b"nonsense", b"\0asm\x01\0\0\0", &wasm("query")] {
        let refused = SnapshotFile::read(file).unwrap_err();
        assert!(matches!(&refused, SnapshotError::NotASnapshot(_)), "{refused}");
    }
    let (manifest, file) = small(3);
    let later = Manifest { format: 2, ..manifest };
    let file = assemble(SnapshotFile::read(&file).unwrap().part(QUERY).unwrap(), None, &later).unwrap();
    let refused = SnapshotFile::read(&file).unwrap_err();
    assert!(matches!(refused, SnapshotError::Format { found: 2 }), "{refused}");
}
