//! The worker that bakes: what it stores, when it does not, and what it deletes.

use std::path::{Path, PathBuf};

use skerry_host::artefact::{self, Profile};
use skerry_host::keys::{SigningKey, TrustedKeys};
use skerry_host::snapshot::{EMBEDDING, QUERY, SnapshotFile, verify};
use skerry_host::{Engine, EngineConfig};
use skerry_hub::central::snapshots::Latest;
use skerry_hub::central::{CentralStore, LocationOptions, has_newer, push};
use skerry_sync::document::DocumentId;
use skerry_sync::{ProjectChange, ProjectName, Record, RecordKey, Replica, Settings, Timestamp};

use crate::process::{ok, program};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn components() -> PathBuf {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/skerry/components"));
    std::env::var_os("SKERRY_COMPONENTS").map_or(built, PathBuf::from)
}

fn notes() -> ProjectName {
    ProjectName::parse("notes").unwrap()
}

/// A store in a folder, somebody who writes into it, and a worker's folder and key.
struct World {
    dir: tempfile::TempDir,
    store: CentralStore,
    writer: Replica,
    key: SigningKey,
}

impl World {
    async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let location = dir.path().join("store");
        let store = CentralStore::open(location.to_str().unwrap(), &LocationOptions::default()).unwrap();
        let writer = Replica::open(&dir.path().join("writer")).unwrap();
        let settings = Settings { model: Some("all-MiniLM-L6-v2-static".to_owned()), chunking: None };
        let change = ProjectChange { description: "Tides", settings: Some(&settings) };
        writer.put_project(&notes(), change, NOW).unwrap();
        let key = SigningKey::generate().unwrap();
        key.write(&dir.path().join("key")).unwrap();
        let world = World { dir, store, writer, key };
        world.write("tide", "High water at noon").await;
        world
    }

    async fn write(&self, key: &str, text: &str) {
        let record = Record::text(RecordKey::parse(key).unwrap(), text);
        self.writer.publish(&notes(), &[record], NOW).unwrap();
        push(&self.writer, &notes(), &self.store).await.unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the worker once; answers what it said.
    fn bake(&self, more: &[&str]) -> String {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (work, key, components) = (text(&self.path("work")), text(&self.path("key")), text(&components()));
        let mut arguments = vec!["bake", "--all", "--work-dir", &work, "--sign", &key, "--components", &components];
        arguments.extend(more);
        ok(&text(&self.path("store")), &arguments)
    }

    async fn latest(&self) -> Latest {
        self.store.latest_snapshot(&notes()).await.unwrap().expect("a snapshot was baked")
    }
}

/// The documents that were covered, as a reader of the store asks for them.
fn covers(
    latest: &Latest,
    replica: &Replica,
) -> std::collections::BTreeMap<DocumentId, Vec<skerry_sync::hub::ChunkName>> {
    let documents = replica.documents_of(&notes()).unwrap();
    let all = documents.shards.into_iter().chain([documents.catalog]);
    let names = |document: &DocumentId| {
        let names = latest.covers[&document.to_string()].iter();
        names.map(|name| skerry_sync::hub::ChunkName(hex::decode(name).unwrap().try_into().unwrap())).collect()
    };
    all.map(|document| (document, names(&document))).collect()
}

/// What a function needs is there when `latest.json` is: the file, whole and signed, and native code that this machine loads; and
/// nothing is done again as long as nothing has changed.
#[tokio::test]
async fn a_worker_bakes_what_is_new_and_only_that() {
    let world = World::new().await;
    let told = world.bake(&["--with-model", "--profile", "x86-64-v3", "--profile", "aarch64"]);
    assert!(told.starts_with("notes: baked "), "{told}");
    let latest = world.latest().await;
    let file = world.store.read_snapshot(&notes(), &latest.sha256).await.unwrap().unwrap();
    let read = SnapshotFile::read(&file).unwrap();
    let trusted = TrustedKeys::new([world.key.public()]);
    verify(&read, &trusted).unwrap();
    assert_eq!(latest.version, world.writer.version(&notes()).unwrap().to_string());
    assert_eq!((read.manifest().description.as_str(), latest.bytes), ("Tides", file.len() as u64));
    assert!(!has_newer(&covers(&latest, &world.writer), &world.store).await.unwrap());
    let model = latest.model_sha256.clone().unwrap();
    assert!(world.store.read_model(&model).await.unwrap().as_deref() == read.part(EMBEDDING));

    assert_eq!(latest.artefacts.len(), 4, "two parts for two profiles");
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let here = Profile::here().unwrap();
    for stored in latest.artefacts.iter().filter(|stored| stored.member("profile") == here.name()) {
        let code = world.store.read_artefact(stored).await.unwrap().unwrap();
        let path = world.path(&format!("{}.cwasm", stored.part));
        let description = serde_json::from_value(stored.description.clone().into()).unwrap();
        artefact::write(&path, &code, &description).unwrap();
        artefact::load_signed(&engine, &path, &trusted, read.part_sha256(&stored.part).unwrap()).unwrap();
    }

    let all = ["--with-model", "--profile", "x86-64-v3", "--profile", "aarch64"];
    assert_eq!(world.bake(&all), format!("notes: unchanged {}", latest.sha256));
    assert_eq!(world.latest().await, latest);

    world.write("moon", "The full moon rises").await;
    assert!(has_newer(&covers(&latest, &world.writer), &world.store).await.unwrap());
    assert!(world.bake(&all).starts_with("notes: baked "));
    let newer = world.latest().await;
    assert!(newer.sha256 != latest.sha256 && newer.covers != latest.covers);
    let code = |latest: &Latest, part: &str| {
        let found = latest.artefacts.iter().filter(|stored| stored.part == part);
        found.map(|stored| stored.object.clone()).collect::<Vec<_>>()
    };
    assert_eq!(code(&newer, EMBEDDING), code(&latest, EMBEDDING), "the model's code is not made again");
    assert_ne!(code(&newer, QUERY), code(&latest, QUERY));
    assert!(world.store.has_snapshot(&notes(), &latest).await.unwrap(), "whoever reads the older one can go on");

    // What somebody lost is made again.
    std::fs::remove_dir_all(world.path("store/artefacts")).unwrap();
    assert!(world.bake(&all).starts_with(&format!("notes: baked {} ", newer.sha256)));
    assert!(world.store.has_snapshot(&notes(), &newer).await.unwrap());

    // Another worker, which has read nothing yet, bakes the same bytes; and where they are, it need not.
    std::fs::remove_dir_all(world.path("work")).unwrap();
    assert_eq!(world.bake(&all), format!("notes: unchanged {}", newer.sha256));
    assert!(world.bake(&["--with-model"]).starts_with(&format!("notes: baked {} ", newer.sha256)));
}

/// Guarantee 4 of the design: after an erasure nothing in the store's snapshots, and nothing in the worker's folder, has the record.
#[tokio::test]
async fn an_erased_record_leaves_the_snapshots() {
    let world = World::new().await;
    let secret = "Zanzibar is the password";
    world.write("secret", secret).await;
    world.bake(&["--profile", "x86-64-v3"]);
    let before = world.latest().await;
    let holding = |folder: &str| holds(&world.path(folder), b"Zanzibar");
    assert!(holding("store/snapshots") && holding("store/artefacts"));
    world.writer.erase(&notes(), &[RecordKey::parse("secret").unwrap()], NOW).unwrap();
    push(&world.writer, &notes(), &world.store).await.unwrap();
    assert!(world.bake(&["--profile", "x86-64-v3"]).starts_with("notes: baked "));
    assert_eq!(world.store.read_snapshot(&notes(), &before.sha256).await.unwrap(), None);
    assert!(!holding("store/snapshots") && !holding("store/artefacts") && !holding("work"));
}

/// Whether a file below a folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

/// A project that nobody stored is no reason to fail, and native code without a key is refused before anything is read.
#[test]
fn what_cannot_be_baked_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let text = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let components = components();
    let (store, work) = (text("store"), text("work"));
    let told = ok(&store, &["bake", "absent", "--work-dir", &work, "--components", components.to_str().unwrap()]);
    assert_eq!(told, "absent: nothing is stored of it");
    let told = ok(&store, &["bake", "--all", "--work-dir", &work, "--components", components.to_str().unwrap()]);
    assert!(told.starts_with("the store knows no project by name"), "{told}");
    let refused = program(&store).args(["bake", "absent", "--profile", "aarch64"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
