//! What a project declares in its catalog about layers: kind, description, weight, what they inherit from, valid time, data.
//!
//! A layer is a name that records and links say they are in; it need not be declared. A declaration is a set of leaves, one
//! for each thing it says, so that replicas that change different ones both keep their change. What is in a layer is in those
//! that inherit from it, too.

mod circle;

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, AutomergeError, ObjId, ScalarValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::leaves::{self, LIVE, Place};
use crate::materialise;
use crate::record::{self, Interval, NameError, is_layer_name};
use crate::view::View;

pub use circle::{circles, without_circles};

/// Declared layers of a project at most.
pub const LAYERS_DECLARED_MAX: usize = 10_000;

/// Layers that a layer inherits from at most.
pub const INHERITS_MAX: usize = 64;

/// Bytes of a layer's description at most.
pub const LAYER_DESCRIPTION_BYTES_MAX: usize = 64 << 10;

/// Bytes of a layer's data, as JSON, at most.
pub const LAYER_DATA_BYTES_MAX: usize = 16 << 10;

/// The field of a spatial layer's data that says where it is: west, south, east and north in degrees.
pub const AREA: &str = "area";

/// What the leaves of layers begin with, in the catalog.
const LAYER: &str = "layer/";

/// What a layer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    /// A time: a year, a release, a shift.
    Temporal,
    /// A place: a harbour, a region.
    Spatial,
    /// A meaning: a topic, a point of view.
    Semantic,
    /// What somebody does: a session, a workflow.
    Behavioural,
    /// A field of knowledge: a catalogue's view, a department.
    Domain,
}

impl LayerKind {
    /// Every kind.
    pub const ALL: [LayerKind; 5] =
        [LayerKind::Temporal, LayerKind::Spatial, LayerKind::Semantic, LayerKind::Behavioural, LayerKind::Domain];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            LayerKind::Temporal => "temporal",
            LayerKind::Spatial => "spatial",
            LayerKind::Semantic => "semantic",
            LayerKind::Behavioural => "behavioural",
            LayerKind::Domain => "domain",
        }
    }
}

/// A declared layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What it is about; none where that was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LayerKind>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the weight of a link is multiplied by where it counts for this layer: finite, not negative.
    pub weight: f64,
    /// What is in these layers is in this one, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inherits: BTreeSet<String>,
    /// When it holds.
    #[serde(default, skip_serializing_if = "Interval::is_always")]
    pub valid: Interval,
    /// Whatever else is to be said; merges field by field.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

/// Why a declaration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A name that breaks a rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A weight that is no weight.
    #[error("the weight of the layer `{0}` is not a finite number that is 0 or more")]
    Weight(String),
    /// A valid time that ends before it begins.
    #[error("the valid time of the layer `{0}` ends before it begins; exchange the two")]
    Interval(String),
    /// Text or data that is too long.
    #[error("the {what} of the layer `{layer}` has {found} bytes, at most {max} are allowed")]
    TooLong {
        /// The layer.
        layer: String,
        /// What is too long.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Data nested too deep.
    #[error("the data of the layer `{0}` nests at most {max} levels deep", max = record::DEPTH_MAX)]
    TooDeep(String),
    /// An area that is none.
    #[error(
        "`area` of the spatial layer `{0}` is [west, south, east, north] in degrees: longitudes from -180 to 180, latitudes from -90 \
         to 90, south not above north; where it crosses the 180th meridian, west is greater than east"
    )]
    Area(String),
    /// Too many parents.
    #[error("the layer `{layer}` inherits from {found} layers, at most {INHERITS_MAX} are allowed")]
    Inherits {
        /// The layer.
        layer: String,
        /// How many it names.
        found: usize,
    },
    /// Layers that inherit from one another.
    #[error("these layers would inherit from one another in a circle: {}; take one of the steps out", .0.join(", "))]
    Circle(Vec<String>),
    /// Too many layers.
    #[error(
        "a project declares at most {LAYERS_DECLARED_MAX} layers, this would be {0}; delete some, or leave some undeclared"
    )]
    TooMany(usize),
}

impl Layer {
    /// A layer of a name, of no kind, with weight 1, always valid.
    pub fn named(name: &str) -> Layer {
        Layer {
            name: name.to_owned(),
            kind: None,
            description: String::new(),
            weight: 1.0,
            inherits: BTreeSet::new(),
            valid: Interval::default(),
            data: Map::new(),
        }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), LayerError> {
        record::check_layer_name(&self.name)?;
        let name = || self.name.clone();
        if !is_weight(self.weight) {
            return Err(LayerError::Weight(name()));
        }
        if !self.valid.is_proper() {
            return Err(LayerError::Interval(name()));
        }
        if self.inherits.len() > INHERITS_MAX {
            return Err(LayerError::Inherits { layer: name(), found: self.inherits.len() });
        }
        self.inherits.iter().try_for_each(|parent| record::check_layer_name(parent))?;
        if self.inherits.contains(&self.name) {
            return Err(LayerError::Circle(vec![name()]));
        }
        if !self.data.values().all(record::fits_field) {
            return Err(LayerError::TooDeep(name()));
        }
        let data = serde_json::to_vec(&self.data).map_or(usize::MAX, |json| json.len());
        let too_long = |what, found, max| Err(LayerError::TooLong { layer: name(), what, found, max });
        if data > LAYER_DATA_BYTES_MAX {
            return too_long("data", data, LAYER_DATA_BYTES_MAX);
        }
        if self.description.len() > LAYER_DESCRIPTION_BYTES_MAX {
            return too_long("description", self.description.len(), LAYER_DESCRIPTION_BYTES_MAX);
        }
        match self.data.get(AREA) {
            Some(area) if self.kind == Some(LayerKind::Spatial) && !is_area(area) => Err(LayerError::Area(name())),
            _ => Ok(()),
        }
    }

    pub(crate) fn leaves(&self) -> BTreeMap<String, ScalarValue> {
        let mut leaves = BTreeMap::new();
        if let Some(kind) = self.kind {
            leaves.insert("kind".to_owned(), ScalarValue::Str(kind.name().into()));
        }
        if !self.description.is_empty() {
            leaves.insert("description".to_owned(), ScalarValue::Str(self.description.as_str().into()));
        }
        if self.weight.to_bits() != 1.0_f64.to_bits() {
            leaves.insert("weight".to_owned(), ScalarValue::F64(self.weight));
        }
        for parent in &self.inherits {
            leaves.insert(format!("inherits/{}", leaves::escape(parent)), ScalarValue::Boolean(true));
        }
        for (end, moment) in [("since", self.valid.since), ("until", self.valid.until)] {
            leaves.extend(moment.map(|ms| (end.to_owned(), ScalarValue::Int(ms))));
        }
        leaves::add_object("data", &self.data, &mut leaves);
        leaves
    }

    fn place(&mut self, path: &str, value: Value) {
        match (path.split_once('/'), value) {
            (None, Value::String(text)) if path == "description" => self.description = text,
            (None, Value::String(text)) if path == "kind" => {
                self.kind = LayerKind::ALL.into_iter().find(|kind| kind.name() == text);
            }
            (None, value) if path == "weight" => {
                self.weight = value.as_f64().filter(|weight| is_weight(*weight)).unwrap_or(1.0);
            }
            (None, value) if path == "since" => self.valid.since = materialise::moment(&value),
            (None, value) if path == "until" => self.valid.until = materialise::moment(&value),
            (Some(("inherits", parent)), Value::Bool(true)) => {
                self.inherits.insert(leaves::unescape(parent));
            }
            (Some(("data", path)), value) => leaves::place_field(&mut self.data, path, value),
            _ => {}
        }
    }

    /// Within all limits: what a merge or a foreign writer brought beyond them is passed over.
    fn reduced(mut self) -> Layer {
        let own = std::mem::take(&mut self.inherits).into_iter();
        self.inherits = own.filter(|parent| is_layer_name(parent) && *parent != self.name).take(INHERITS_MAX).collect();
        if self.description.len() > LAYER_DESCRIPTION_BYTES_MAX {
            self.description.clear();
        }
        self.data = record::within(std::mem::take(&mut self.data), LAYER_DATA_BYTES_MAX);
        if !self.valid.is_proper() {
            self.valid.until = None;
        }
        if self.kind == Some(LayerKind::Spatial) && self.data.get(AREA).is_some_and(|area| !is_area(area)) {
            self.data.remove(AREA);
        }
        self
    }
}

fn is_weight(weight: f64) -> bool {
    weight.is_finite() && weight >= 0.0
}

fn is_area(area: &Value) -> bool {
    let degrees: Option<Vec<f64>> = area.as_array().map(|area| area.iter().filter_map(Value::as_f64).collect());
    match degrees.as_deref() {
        Some([west, south, east, north]) => {
            area.as_array().is_some_and(|area| area.len() == 4)
                && [west, east].iter().all(|longitude| (-180.0..=180.0).contains(*longitude))
                && [south, north].iter().all(|latitude| (-90.0..=90.0).contains(*latitude))
                && south <= north
        }
        _ => false,
    }
}

/// Where a layer's leaves stand in the catalog.
pub(crate) fn place_of(name: &str) -> Place {
    let name = leaves::escape(name);
    // `0` follows `/`.
    Place { prefix: format!("{LAYER}{name}/"), end: format!("{LAYER}{name}0") }
}

/// The layers that a catalog declares, in the order of their names.
pub(crate) fn declared(catalog: &Automerge, map: &ObjId) -> Result<Vec<Layer>, AutomergeError> {
    let view = View::now(catalog);
    let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
    for item in view.map_range(map, LAYER.to_owned()..format!("{}0", LAYER.trim_end_matches('/'))) {
        let Some((name, path)) = item.key.get(LAYER.len()..).and_then(|rest| rest.split_once('/')) else { continue };
        let name = leaves::unescape(name);
        if path == LIVE || !is_layer_name(&name) {
            continue;
        }
        let Some(value) = materialise::leaf(view, &item.value, || item.id()) else { continue };
        layers.entry(name.clone()).or_insert_with(|| Layer::named(&name)).place(path, value);
    }
    let mut live = Vec::new();
    for name in live_names(view, map)? {
        live.push(layers.remove(&name).unwrap_or_else(|| Layer::named(&name)).reduced());
    }
    live.truncate(LAYERS_DECLARED_MAX);
    Ok(live)
}

/// Names of the layers that live, each once, in order.
fn live_names(view: View<'_>, map: &ObjId) -> Result<BTreeSet<String>, AutomergeError> {
    let mut names = BTreeSet::new();
    for item in view.map_range(map, LAYER.to_owned()..format!("{}0", LAYER.trim_end_matches('/'))) {
        let Some((name, LIVE)) = item.key.get(LAYER.len()..).and_then(|rest| rest.split_once('/')) else { continue };
        let name = leaves::unescape(name);
        if is_layer_name(&name) && leaves::are_live(&view.get_all(map, item.key.as_ref())?) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Whether declaring `new` beside what is declared closes a circle; its layers.
pub(crate) fn circle_closed(declared: &BTreeMap<String, Layer>, new: &[Layer]) -> Option<Vec<String>> {
    let all = circles(declared.values());
    all.into_iter().find(|circle| new.iter().any(|layer| circle.contains(&layer.name)))
}
