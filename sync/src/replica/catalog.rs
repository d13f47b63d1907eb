//! What a project's catalog declares: layers, and charts that somebody saved.
//!
//! The store's table `meta` holds it as the catalog says it, so that reading loads no document. A number in the project's row
//! grows with each change of it.

use std::collections::BTreeMap;

use automerge::transaction::Transactable;
use automerge::{Automerge, ObjId, ReadDoc};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde_json::Value;

use super::documents::{self, At};
use super::project::{self, ProjectRow};
use super::{Replica, Timestamp, Touched};
use crate::document::Slot;
use crate::error::{ReadError, StoreError, WriteError};
use crate::layers::{self, LAYERS_DECLARED_MAX, Layer, LayerError};
use crate::leaves;
use crate::materialise;
use crate::record::{ProjectName, is_layer_name};
use crate::store::{META, PROJECTS, StoreFile};
use crate::view::View;

/// Bytes of a saved chart, as JSON, at most.
pub const CHART_BYTES_MAX: usize = 64 << 10;

/// Saved charts of a project at most.
pub const CHARTS_MAX: usize = 1_000;

/// What the leaves of charts begin with, in the catalog.
const CHART: &str = "chart/";

/// What the names of these rows begin with in `meta`.
const DECLARED: &str = "declared/";

/// Why a chart is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// Not a name.
    #[error("a chart's name has 1 to {max} bytes of UTF-8 without control characters", max = crate::NAME_BYTES_MAX)]
    Name,
    /// Too long.
    #[error("the chart has {0} bytes as JSON, at most {CHART_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Too many.
    #[error("a project has at most {CHARTS_MAX} saved charts; delete some first")]
    TooMany,
}

impl Replica {
    /// The layers that a project declares, in the order of their names. Others may be named by records and links.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn layers(&self, project: &ProjectName) -> Result<Vec<Layer>, ReadError> {
        let rows = self.declarations(project, Kind::Layer)?;
        rows.into_values().map(|json| parsed(&json)).collect()
    }

    /// A declared layer.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn layer(&self, project: &ProjectName, name: &str) -> Result<Option<Layer>, ReadError> {
        self.declaration(project, Kind::Layer, name)?.map(|json| parsed(&json)).transpose()
    }

    /// A number that grows whenever what the project declares changes here; 0 while it has declared nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn declarations_version(&self, project: &ProjectName) -> Result<u64, ReadError> {
        Ok(self.known_row(project)?.declared.unwrap_or_default())
    }

    /// Declares layers, or changes what is declared about them, field by field. Answers how many are different from before.
    /// All or none; on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError::Layer`] for a broken rule, a circle of inheritance among them; and as [`Replica::publish`].
    pub fn put_layers(&self, project: &ProjectName, new: &[Layer], now: Timestamp) -> Result<usize, WriteError> {
        new.iter().try_for_each(Layer::check)?;
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let mut all: BTreeMap<String, Layer> =
            self.layers(project)?.into_iter().map(|layer| (layer.name.clone(), layer)).collect();
        all.extend(new.iter().map(|layer| (layer.name.clone(), layer.clone())));
        if all.len() > LAYERS_DECLARED_MAX {
            return Err(LayerError::TooMany(all.len()).into());
        }
        if let Some(circle) = layers::circle_closed(&all, new) {
            return Err(LayerError::Circle(circle).into());
        }
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let changed = documents.get(self.store(), at)?.edit(now, |transaction, map| {
            let mut changed = 0;
            for layer in new {
                changed +=
                    usize::from(leaves::write(transaction, map, &layers::place_of(&layer.name), layer.leaves())?);
            }
            Ok(changed)
        })?;
        self.store_catalog(&mut documents, project, row, changed, now)
    }

    /// Takes declarations back; names that are not declared are passed over. Records and links go on naming the layers.
    /// Answers how many were declared.
    ///
    /// # Errors
    /// As [`Replica::publish`].
    pub fn delete_layers(&self, project: &ProjectName, names: &[String], now: Timestamp) -> Result<usize, WriteError> {
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let changed = documents.get(self.store(), at)?.edit(now, |transaction, map| {
            let mut changed = 0;
            for name in names {
                changed += usize::from(leaves::remove(transaction, map, &layers::place_of(name))?);
            }
            Ok(changed)
        })?;
        self.store_catalog(&mut documents, project, row, changed, now)
    }

    /// The project's saved charts by name.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn charts(&self, project: &ProjectName) -> Result<BTreeMap<String, Value>, ReadError> {
        let rows = self.declarations(project, Kind::Chart)?;
        rows.into_iter().map(|(name, json)| Ok((name, parsed(&json)?))).collect()
    }

    /// A saved chart.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn chart(&self, project: &ProjectName, name: &str) -> Result<Option<Value>, ReadError> {
        self.declaration(project, Kind::Chart, name)?.map(|json| parsed(&json)).transpose()
    }

    /// Saves a chart: any JSON, which merges as a whole. Answers whether it is different from before.
    ///
    /// # Errors
    /// [`WriteError::Chart`], and as [`Replica::publish`].
    pub fn put_chart(
        &self,
        project: &ProjectName,
        name: &str,
        chart: &Value,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        let json = chart.to_string();
        if !is_layer_name(name) {
            return Err(ChartError::Name.into());
        }
        if json.len() > CHART_BYTES_MAX {
            return Err(ChartError::TooLong(json.len()).into());
        }
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let before = self.declarations(project, Kind::Chart)?;
        if before.get(name) == Some(&json) {
            return Ok(false);
        }
        if before.len() >= CHARTS_MAX && !before.contains_key(name) {
            return Err(ChartError::TooMany.into());
        }
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let leaf = format!("{CHART}{}", leaves::escape(name));
        documents.get(self.store(), at)?.edit(now, |transaction, map| Ok(transaction.put(map, leaf, json)?))?;
        Ok(self.store_catalog(&mut documents, project, row, 1, now)? > 0)
    }

    /// Deletes a saved chart. Answers whether it was there.
    ///
    /// # Errors
    /// As [`Replica::publish`].
    pub fn delete_chart(&self, project: &ProjectName, name: &str, now: Timestamp) -> Result<bool, WriteError> {
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let leaf = format!("{CHART}{}", leaves::escape(name));
        let changed = documents.get(self.store(), at)?.edit(now, |transaction, map| {
            let there = transaction.get(map, leaf.as_str())?.is_some();
            if there {
                transaction.delete(map, leaf.as_str())?;
            }
            Ok(usize::from(there))
        })?;
        Ok(self.store_catalog(&mut documents, project, row, changed, now)? > 0)
    }

    fn store_catalog(
        &self,
        documents: &mut documents::Documents,
        project: &ProjectName,
        row: ProjectRow,
        changed: usize,
        now: Timestamp,
    ) -> Result<usize, WriteError> {
        if changed > 0 {
            let touched = Touched::from([((row.epoch, Slot::Catalog), std::collections::BTreeSet::new())]);
            self.store_changes(documents, project, &touched, row, now)?;
        }
        Ok(changed)
    }

    fn declarations(&self, project: &ProjectName, kind: Kind) -> Result<BTreeMap<String, String>, ReadError> {
        let found = self.store().read(|transaction| {
            let known = project::exists(transaction, project)?;
            known.then(|| read(transaction, project, kind)).transpose()
        })?;
        found.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }

    fn declaration(&self, project: &ProjectName, kind: Kind, name: &str) -> Result<Option<String>, ReadError> {
        let found = self.store().read(|transaction| {
            if !project::exists(transaction, project)? {
                return Ok(None);
            }
            let row = transaction.open_table(META)?.get(format!("{}{name}", kind.prefix(project)).as_str())?;
            row.map(|json| text(json.value())).transpose().map(Some)
        })?;
        found.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Layer,
    Chart,
}

impl Kind {
    /// What the names of its rows begin with. A project's name has no `/`.
    fn prefix(self, project: &ProjectName) -> String {
        let kind = match self {
            Kind::Layer => "layer",
            Kind::Chart => "chart",
        };
        format!("{DECLARED}{project}/{kind}/")
    }
}

/// What a catalog declares, as the rows of a project.
#[derive(Debug, Default)]
pub(super) struct Declared(BTreeMap<String, String>);

impl Declared {
    pub(super) fn of(project: &ProjectName, catalog: &Automerge, map: &ObjId) -> Result<Declared, WriteError> {
        let mut rows = BTreeMap::new();
        for layer in layers::declared(catalog, map)? {
            let json = serde_json::to_string(&layer).map_err(|error| WriteError::Document(error.to_string()))?;
            rows.insert(format!("{}{}", Kind::Layer.prefix(project), layer.name), json);
        }
        let view = View::now(catalog);
        let mut charts = 0;
        for item in view.map_range(map, CHART.to_owned()..format!("{}0", CHART.trim_end_matches('/'))) {
            let name = leaves::unescape(item.key.get(CHART.len()..).unwrap_or_default());
            let Some(Value::String(json)) = materialise::leaf(view, &item.value, || item.id()) else { continue };
            let known = json.len() <= CHART_BYTES_MAX && serde_json::from_str::<Value>(&json).is_ok();
            if known && is_layer_name(&name) && charts < CHARTS_MAX {
                charts += 1;
                rows.insert(format!("{}{name}", Kind::Chart.prefix(project)), json);
            }
        }
        Ok(Declared(rows))
    }

    /// Makes the table say this, and the row that it does.
    pub(super) fn write(
        self,
        transaction: &WriteTransaction,
        project: &ProjectName,
        row: &mut ProjectRow,
    ) -> Result<(), StoreError> {
        let mut table = transaction.open_table(META)?;
        let mut rows = self.0;
        let mut over = Vec::new();
        for entry in
            table.range::<&str>(format!("{DECLARED}{project}/").as_str()..format!("{DECLARED}{project}0").as_str())?
        {
            let (name, json) = entry?;
            match rows.get(name.value()) {
                Some(new) if new.as_bytes() == json.value() => drop(rows.remove(name.value())),
                Some(_) => {}
                None => over.push(name.value().to_owned()),
            }
        }
        let before = row.declared.get_or_insert_default();
        *before += u64::from(!rows.is_empty() || !over.is_empty());
        for name in over {
            table.remove(name.as_str())?;
        }
        for (name, json) in rows {
            table.insert(name.as_str(), json.as_bytes())?;
        }
        Ok(())
    }
}

fn read(
    transaction: &ReadTransaction,
    project: &ProjectName,
    kind: Kind,
) -> Result<BTreeMap<String, String>, StoreError> {
    let prefix = kind.prefix(project);
    let end = format!("{}0", prefix.trim_end_matches('/'));
    let mut rows = BTreeMap::new();
    for entry in transaction.open_table(META)?.range::<&str>(prefix.as_str()..end.as_str())? {
        let (name, json) = entry?;
        rows.insert(name.value().get(prefix.len()..).unwrap_or_default().to_owned(), text(json.value())?);
    }
    Ok(rows)
}

fn text(json: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(json.to_vec()).map_err(|error| StoreError::Damaged(format!("a declaration: {error}")))
}

fn parsed<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, ReadError> {
    serde_json::from_str(json).map_err(|error| StoreError::Damaged(format!("a declaration: {error}")).into())
}

/// Writes down what the catalogs declare where a program that does not know of declarations wrote the project's row.
pub(super) fn begin(store: &StoreFile) -> Result<(), StoreError> {
    let missing = store.read(|transaction| {
        let mut missing = Vec::new();
        for entry in transaction.open_table(PROJECTS)?.iter()? {
            let (name, row) = entry?;
            let row = ProjectRow::decode(row.value())?;
            if row.declared.is_some() {
                continue;
            }
            let name = ProjectName::parse(name.value()).map_err(|error| StoreError::Damaged(error.to_string()))?;
            let at = At { project: &name, epoch: row.epoch, slot: Slot::Catalog };
            let catalog = documents::read(transaction, at)?;
            let declared = Declared::of(&name, &catalog.document, &catalog.map);
            let declared = declared.map_err(|error| StoreError::Damaged(error.to_string()))?;
            missing.push((name, row, declared));
        }
        Ok(missing)
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    store.write(|transaction| {
        for (name, mut row, declared) in missing {
            declared.write(transaction, &name, &mut row)?;
            transaction.open_table(PROJECTS)?.insert(name.as_str(), row.encode()?.as_slice())?;
        }
        Ok(())
    })
}
