//! What is synchronised: glosses of `WordNet` as records, and the documents that they make.

use std::collections::BTreeMap;

use anyhow::Context;
use automerge::Automerge;
use automerge::transaction::{CommitOptions, Transactable};
use serde_json::json;
use skerry_sync::document::{DocumentId, SEPARATOR, Slot, genesis, leaves_map};
use skerry_sync::{ProjectName, Record, RecordKey};

use crate::wordnet;

/// The project's name.
pub(super) const PROJECT: &str = "wordnet";

/// Records that one publication brings, as an importer would.
pub(super) const BATCH: usize = 500;

/// The records of the benchmark and what they take as JSON.
pub(super) struct Data {
    pub(super) project: ProjectName,
    pub(super) records: Vec<Record>,
    /// Bytes of the records as JSON, one a line.
    pub(super) raw_bytes: u64,
    /// Every shard's document with all records, by its id.
    pub(super) documents: Documents,
    ids: Ids,
}

/// How documents are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// As docs/format.md says.
    Derived,
    /// The same with the bits of a UUID, which automerge-repo 1 asks for.
    Uuid,
}

impl Ids {
    pub(super) fn name(self, DocumentId(mut id): DocumentId) -> String {
        if self == Ids::Uuid {
            id[6] = id[6] & 0x0f | 0x40;
            id[8] = id[8] & 0x3f | 0x80;
        }
        DocumentId(id).to_string()
    }
}

/// Documents by their ids.
pub(super) type Documents = BTreeMap<String, Automerge>;

impl Data {
    pub(super) fn load(count: usize) -> anyhow::Result<Data> {
        let project = ProjectName::parse(PROJECT)?;
        let records = wordnet::glosses()?.into_iter().take(count).map(|gloss| {
            let record = json!({
                "key": gloss.key, "text": gloss.text, "data": { "words": gloss.words, "lexname": gloss.lexname },
            });
            serde_json::from_value(record).context("make a record")
        });
        let records = records.collect::<anyhow::Result<Vec<Record>>>()?;
        let mut raw_bytes = 0;
        for record in &records {
            raw_bytes += serde_json::to_vec(record)?.len() as u64 + 1;
        }
        let mut documents = Documents::new();
        for shard in Slot::all().filter(|slot| *slot != Slot::Catalog) {
            let mut document = genesis(&project, shard)?.with_actor(automerge::ActorId::random());
            let ours = |record: &&Record| Slot::of(&record.key) == shard;
            for batch in records.chunks(BATCH) {
                write(&mut document, shard, batch.iter().filter(ours))?;
            }
            documents.insert(DocumentId::derive(&project, shard).to_string(), document);
        }
        Ok(Data { project, records, raw_bytes, documents, ids: Ids::Derived })
    }

    /// The same under the names that a server takes.
    pub(super) fn named(&mut self, ids: Ids) -> anyhow::Result<&Data> {
        let mut documents = Documents::new();
        for shard in Slot::all().filter(|slot| *slot != Slot::Catalog) {
            let id = DocumentId::derive(&self.project, shard);
            let document = self.documents.remove(&self.ids.name(id)).context("a document of the project")?;
            documents.insert(ids.name(id), document);
        }
        (self.documents, self.ids) = (documents, ids);
        Ok(self)
    }

    /// A record's document.
    pub(super) fn document_of(&self, key: &RecordKey) -> String {
        self.ids.name(DocumentId::derive(&self.project, Slot::of(key)))
    }
}

/// Writes records into their document by the layout of docs/format.md, as one change.
pub(super) fn write<'a>(
    document: &mut Automerge,
    slot: Slot,
    records: impl Iterator<Item = &'a Record>,
) -> anyhow::Result<()> {
    let map = leaves_map(document, slot).context("a document of ours")?;
    let mut transaction = document.transaction();
    for record in records {
        let at = |path: &str| format!("{}{SEPARATOR}{path}", record.key);
        transaction.put(&map, at("text"), record.text.as_str())?;
        for (name, value) in &record.data {
            transaction.put(&map, at(&format!("data/{name}")), value.as_str().unwrap_or_default())?;
        }
        transaction.put(&map, at("@live"), true)?;
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    Ok(())
}
