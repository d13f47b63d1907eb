//! Layers: what is declared of them, who is in them, and sets of their contents.

use super::membership::Membership;
use super::names::NONE;
use super::symbols::Symbols;
use super::types::{GraphError, Interval, Layer, LayerNode, Overlap};
use crate::bitset::Bitset;
use crate::terms::FixedMap;

/// Layers declared at most.
pub const DECLARED_MAX: usize = 10_000;

/// Layers that one inherits from, itself, at most.
pub const INHERITS_MAX: usize = 64;

/// Nodes of a set of layers at most.
pub const NODES_MAX: usize = 1_024;

/// Sets of records put together at most in one comparison of a set with every layer: what deep inheritance could make of it.
const UNIONS_MAX: usize = 100_000;

#[derive(Debug, Clone, PartialEq)]
struct Declared {
    weight: f64,
    inherits: Vec<u32>,
    valid: Interval,
}

/// A set of layers' contents whose layers are numbers. Children stand before their parents; the root is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// In one of these: a layer, and those that it inherits from.
    Layers(Vec<u32>),
    All(Vec<u32>),
    Any(Vec<u32>),
    AtLeast(u32, Vec<u32>),
    Without(u32, u32),
}

/// A set of layers' contents, ready to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LayerSet {
    nodes: Vec<Node>,
    /// Layers that the set is made of, those that are only taken away left out, with what they inherit, by name.
    parts: Vec<(u32, Vec<u32>)>,
}

/// All layers.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    names: Symbols,
    declared: Vec<Option<Declared>>,
    /// Records of each layer.
    records: Vec<Membership>,
    /// Statements in each set of layers, and sets that hold each layer with a statement.
    statements: Vec<u32>,
    stating: Vec<u32>,
    /// Ascending numbers of layers.
    sets: Vec<Box<[u32]>>,
    set_numbers: FixedMap<Box<[u32]>, u32>,
    /// Grows when layers are declared anew.
    pub(crate) revision: u64,
    nodes: u32,
}

impl Layers {
    /// Puts these in the place of all declared layers.
    pub(crate) fn define(&mut self, layers: &[Layer]) -> Result<(), GraphError> {
        check(layers)?;
        let mut declared: Vec<Option<Declared>> = vec![None; self.names.len()];
        for layer in layers {
            let number = self.names.add(&layer.name);
            let inherits = layer.inherits.iter().map(|name| self.names.add(name)).collect();
            declared.resize(self.names.len(), None);
            if let Some(place) = declared.get_mut(number as usize) {
                *place = Some(Declared { weight: layer.weight + 0.0, inherits, valid: layer.valid });
            }
        }
        self.declared = declared;
        self.records.resize_with(self.names.len(), Membership::default);
        self.stating.resize(self.names.len(), 0);
        self.revision += 1;
        Ok(())
    }

    /// The number of a set.
    pub(crate) fn set(&mut self, names: &[String]) -> u32 {
        let mut layers: Vec<u32> = names.iter().map(|name| self.names.add(name)).collect();
        layers.sort_unstable();
        layers.dedup();
        self.declared.resize(self.names.len(), None);
        self.records.resize_with(self.names.len(), Membership::default);
        self.stating.resize(self.names.len(), 0);
        if let Some(&number) = self.set_numbers.get(layers.as_slice()) {
            return number;
        }
        let number = self.sets.len() as u32;
        let layers = layers.into_boxed_slice();
        self.sets.push(layers.clone());
        self.statements.push(0);
        self.set_numbers.insert(layers, number);
        number
    }

    /// Whether a set is of these layers.
    pub(crate) fn is_set(&self, set: u32, names: &[String]) -> bool {
        let held = self.layers_of(set);
        // Names may come twice, and in any order.
        let is_in = |name: &String| self.names.find(name).is_some_and(|layer| held.contains(&layer));
        let is_named = |&layer: &u32| names.iter().any(|name| self.names.name(layer) == name);
        names.iter().all(is_in) && held.iter().all(is_named)
    }

    /// How many sets have a number.
    pub(crate) fn set_count(&self) -> u32 {
        self.sets.len() as u32
    }

    fn layers_of(&self, set: u32) -> &[u32] {
        self.sets.get(set as usize).map_or(&[], |set| set)
    }

    pub(crate) fn enter(&mut self, record: u32, set: u32) {
        self.nodes = self.nodes.max(record + 1);
        let Layers { sets, records, nodes, .. } = self;
        for &layer in sets.get(set as usize).into_iter().flatten() {
            if let Some(records) = records.get_mut(layer as usize) {
                records.insert(record, *nodes);
            }
        }
    }

    pub(crate) fn leave(&mut self, record: u32, set: u32) {
        let Layers { sets, records, .. } = self;
        for &layer in sets.get(set as usize).into_iter().flatten() {
            if let Some(records) = records.get_mut(layer as usize) {
                records.remove(record);
            }
        }
    }

    /// A statement is in a set of layers.
    pub(crate) fn state(&mut self, set: u32) {
        let Some(count) = self.statements.get_mut(set as usize) else { return };
        *count += 1;
        if *count == 1 {
            self.count_set(set, 1);
        }
    }

    /// A statement is no longer in it.
    pub(crate) fn retract(&mut self, set: u32) {
        let Some(count) = self.statements.get_mut(set as usize) else { return };
        *count -= 1;
        if *count == 0 {
            self.count_set(set, u32::MAX);
        }
    }

    fn count_set(&mut self, set: u32, add: u32) {
        for &layer in self.sets.get(set as usize).into_iter().flatten() {
            if let Some(count) = self.stating.get_mut(layer as usize) {
                *count = count.wrapping_add(add);
            }
        }
    }

    /// Somebody declared it, inherits from it, or is in it.
    fn is_known(&self, layer: u32) -> bool {
        let at = layer as usize;
        self.declared.get(at).is_some_and(Option::is_some)
            || self.stating.get(at).is_some_and(|count| *count > 0)
            || self.records.get(at).is_some_and(|records| records.count() > 0)
    }

    /// How many layers are known.
    pub(crate) fn known(&self) -> usize {
        (0..self.names.len() as u32).filter(|&layer| self.is_known(layer)).count()
    }

    /// Known layers by name.
    fn by_name(&self) -> Vec<u32> {
        let mut known: Vec<u32> = (0..self.names.len() as u32).filter(|&layer| self.is_known(layer)).collect();
        self.names.sort(&mut known);
        known
    }

    fn is_valid(&self, layer: u32, at: Option<i64>) -> bool {
        let declared = self.declared.get(layer as usize).and_then(Option::as_ref);
        at.is_none_or(|at| declared.is_none_or(|declared| declared.valid.contains(at)))
    }

    fn weight(&self, layer: u32) -> f64 {
        self.declared.get(layer as usize).and_then(Option::as_ref).map_or(1.0, |declared| declared.weight)
    }

    /// A layer and all that it inherits from, as far as they are valid, ascending. What is not valid hands nothing down.
    fn with_inherited(&self, layer: u32, at: Option<i64>) -> Vec<u32> {
        if !self.is_valid(layer, at) {
            return Vec::new();
        }
        let mut found = vec![layer];
        let mut seen = Bitset::new(self.names.len());
        seen.insert(layer);
        let mut next = 0;
        while let Some(&layer) = found.get(next) {
            next += 1;
            let declared = self.declared.get(layer as usize).and_then(Option::as_ref);
            for &from in declared.into_iter().flat_map(|declared| &declared.inherits) {
                if !seen.contains(from) && self.is_valid(from, at) {
                    seen.insert(from);
                    found.push(from);
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Reads a set.
    ///
    /// # Errors
    /// [`GraphError::UnknownLayer`], [`GraphError::Malformed`].
    pub(crate) fn compile(&self, nodes: &[LayerNode], at: Option<i64>) -> Result<LayerSet, GraphError> {
        let malformed = |what: String| Err(GraphError::Malformed(what));
        if nodes.is_empty() || nodes.len() > NODES_MAX {
            return malformed(format!("a set of layers has 1 to {NODES_MAX} nodes, this one has {}", nodes.len()));
        }
        let mut compiled = Vec::with_capacity(nodes.len());
        for (number, node) in nodes.iter().enumerate() {
            let children: &[u32] = match node {
                LayerNode::Layer(_) => &[],
                LayerNode::All(children) | LayerNode::Any(children) | LayerNode::AtLeast(_, children) => {
                    if children.is_empty() || children.len() > NODES_MAX {
                        return malformed(format!("node {number} of the set of layers has no children, or too many"));
                    }
                    children
                }
                LayerNode::Without(a, b) => &[*a, *b],
            };
            if let Some(child) = children.iter().find(|child| **child as usize >= number) {
                return malformed(format!(
                    "node {number} of the set of layers has the child {child}, which is not before it"
                ));
            }
            compiled.push(match node {
                LayerNode::Layer(name) => Node::Layers(self.with_inherited(self.find(name)?, at)),
                LayerNode::All(children) => Node::All(children.clone()),
                LayerNode::Any(children) => Node::Any(children.clone()),
                LayerNode::AtLeast(0, _) => {
                    return malformed(format!(
                        "node {number} of the set of layers asks for at least 0 of its children"
                    ));
                }
                LayerNode::AtLeast(count, children) => Node::AtLeast(*count, children.clone()),
                LayerNode::Without(a, b) => Node::Without(*a, *b),
            });
        }
        let parts = self.parts(nodes, at)?;
        Ok(LayerSet { nodes: compiled, parts })
    }

    /// The layers whose weights count: those under the root, not by way of what is taken away.
    fn parts(&self, nodes: &[LayerNode], at: Option<i64>) -> Result<Vec<(u32, Vec<u32>)>, GraphError> {
        let mut counts = vec![false; nodes.len()];
        if let Some(root) = counts.last_mut() {
            *root = true;
        }
        let mut parts = Vec::new();
        for (number, node) in nodes.iter().enumerate().rev() {
            if counts.get(number) != Some(&true) {
                continue;
            }
            let children: &[u32] = match node {
                LayerNode::Layer(name) => {
                    parts.push(self.find(name)?);
                    &[]
                }
                LayerNode::All(children) | LayerNode::Any(children) | LayerNode::AtLeast(_, children) => children,
                LayerNode::Without(a, _) => &[*a],
            };
            children.iter().for_each(|&child| {
                if let Some(count) = counts.get_mut(child as usize) {
                    *count = true;
                }
            });
        }
        self.names.sort(&mut parts);
        parts.dedup();
        Ok(parts.into_iter().map(|layer| (layer, self.with_inherited(layer, at))).collect())
    }

    fn find(&self, name: &str) -> Result<u32, GraphError> {
        let found = self.names.find(name).filter(|&layer| self.is_known(layer));
        found.ok_or_else(|| {
            let similar = self.names.similar(name, |layer| self.is_known(layer));
            GraphError::UnknownLayer(name.chars().take(80).collect(), similar)
        })
    }

    /// Whether something in these layers (the number of a set) is in the set.
    pub(crate) fn is_in(&self, set: &LayerSet, layers: u32) -> bool {
        let layers = self.layers_of(layers);
        let mut held: Vec<bool> = Vec::with_capacity(set.nodes.len());
        for node in &set.nodes {
            let is = |child: &u32| held.get(*child as usize) == Some(&true);
            let value = match node {
                Node::Layers(any) => meet(layers, any),
                Node::All(children) => children.iter().all(is),
                Node::Any(children) => children.iter().any(is),
                Node::AtLeast(count, children) => children.iter().filter(|child| is(child)).count() >= *count as usize,
                Node::Without(a, b) => is(a) && !is(b),
            };
            held.push(value);
        }
        held.last() == Some(&true)
    }

    /// Something in these layers is not out of its time: it is in none, or in one that is valid.
    pub(crate) fn is_in_time(&self, layers: u32, at: i64) -> bool {
        let layers = self.layers_of(layers);
        layers.is_empty() || layers.iter().any(|&layer| self.is_valid(layer, Some(at)))
    }

    /// What the weight of a link in these layers is multiplied by: the weights of the layers of the set that it is in, or of its
    /// own when there is no set, in the order of their names.
    pub(crate) fn factor(&self, set: Option<&LayerSet>, layers: u32, at: Option<i64>) -> f64 {
        let own = self.layers_of(layers);
        if let Some(set) = set {
            let parts = set.parts.iter().filter(|(_, contents)| meet(own, contents));
            return parts.fold(1.0, |product, (layer, _)| product * self.weight(*layer));
        }
        let mut own: Vec<u32> = own.iter().copied().filter(|&layer| self.is_valid(layer, at)).collect();
        self.names.sort(&mut own);
        own.into_iter().fold(1.0, |product, layer| product * self.weight(layer))
    }

    /// Records in the set.
    pub(crate) fn records(&self, set: &LayerSet) -> Bitset {
        let mut values: Vec<Bitset> = Vec::with_capacity(set.nodes.len());
        let empty = Bitset::new(0);
        for node in &set.nodes {
            let of = |child: &u32| values.get(*child as usize).unwrap_or(&empty);
            let value = match node {
                Node::Layers(any) => self.union(any),
                Node::All(children) => {
                    let mut children = children.iter().map(of);
                    let mut all = children.next().cloned().unwrap_or_default();
                    children.for_each(|child| all.and(child));
                    all
                }
                Node::Any(children) => {
                    let mut any = Bitset::new(self.nodes as usize);
                    children.iter().for_each(|child| any.or(of(child)));
                    any
                }
                Node::AtLeast(count, children) => self.at_least(*count, children.iter().map(of)),
                Node::Without(a, b) => {
                    let mut rest = of(a).clone();
                    rest.and_not(of(b));
                    rest
                }
            };
            values.push(value);
        }
        values.pop().unwrap_or_default()
    }

    fn union(&self, layers: &[u32]) -> Bitset {
        let mut union = Bitset::new(self.nodes as usize);
        for &layer in layers {
            if let Some(records) = self.records.get(layer as usize) {
                records.add_to(&mut union);
            }
        }
        union
    }

    fn at_least<'a>(&self, count: u32, sets: impl Iterator<Item = &'a Bitset>) -> Bitset {
        let mut counts = vec![0_u16; self.nodes as usize];
        for set in sets {
            for record in set.iter() {
                if let Some(count) = counts.get_mut(record as usize) {
                    *count += 1;
                }
            }
        }
        let mut enough = Bitset::new(self.nodes as usize);
        (0..).zip(counts).filter(|(_, held)| u32::from(*held) >= count).for_each(|(record, _)| enough.insert(record));
        enough
    }

    /// A set of records against every known layer, by name.
    pub(crate) fn overlaps(&self, set: &Bitset, at: Option<i64>) -> Result<Vec<Overlap>, GraphError> {
        let in_set = set.count();
        let mut unions = 0;
        let overlap = |layer| {
            let contents = self.with_inherited(layer, at);
            let (both, held) = match contents.as_slice() {
                [] => (0, 0),
                [only] => match self.records.get(*only as usize) {
                    Some(records) => (records.count_in(set), records.count()),
                    None => (0, 0),
                },
                several => {
                    unions += several.len();
                    if unions > UNIONS_MAX {
                        let what = "the layers inherit from too many others to compare a set with each; name the layers to compare";
                        return Err(GraphError::TooMuch(what.to_owned()));
                    }
                    let union = self.union(several);
                    (union.count_in(set), union.count())
                }
            };
            let layer = self.names.name(layer).to_owned();
            Ok(Overlap { layer, both, either: in_set + held - both })
        };
        self.by_name().into_iter().map(overlap).collect()
    }

    /// Name and records of each known layer, by name, with its number. Inherited content counts.
    pub(crate) fn sizes(&self) -> Vec<(u32, String, u32)> {
        let size = |layer| {
            let records = match self.with_inherited(layer, None).as_slice() {
                [only] => self.records.get(*only as usize).map_or(0, Membership::count),
                several => self.union(several).count(),
            };
            (layer, self.names.name(layer).to_owned(), records)
        };
        self.by_name().into_iter().map(size).collect()
    }

    /// For each layer those that its contents are in: itself, and what inherits from it.
    pub(crate) fn heirs(&self) -> Vec<Vec<u32>> {
        let mut heirs = vec![Vec::new(); self.names.len()];
        for layer in 0..self.names.len() as u32 {
            for from in self.with_inherited(layer, None) {
                if let Some(heirs) = heirs.get_mut(from as usize) {
                    heirs.push(layer);
                }
            }
        }
        heirs
    }

    /// The layers that something in a set of layers is in, inherited or not, each once.
    pub(crate) fn layers_with(&self, set: u32, heirs: &[Vec<u32>]) -> Vec<u32> {
        let own = self.layers_of(set);
        let mut all: Vec<u32> = own.iter().filter_map(|&layer| heirs.get(layer as usize)).flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(crate) fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| set.len() * 8 + 64).sum();
        sets + self.names.bytes() + self.records.iter().map(Membership::bytes).sum::<usize>()
    }
}

/// Whether two ascending lists have an element in common.
fn meet(a: &[u32], b: &[u32]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.iter().any(|element| long.binary_search(element).is_ok())
}

fn check(layers: &[Layer]) -> Result<(), GraphError> {
    let malformed = |what: String| Err(GraphError::Malformed(what));
    if layers.len() > DECLARED_MAX {
        return malformed(format!("{} layers are declared, at most {DECLARED_MAX} can be", layers.len()));
    }
    let mut numbers = Symbols::default();
    for (at, layer) in layers.iter().enumerate() {
        let name: String = layer.name.chars().take(80).collect();
        let is_name = |name: &str| !name.is_empty() && name.len() <= super::store::NAME_BYTES_MAX;
        if !is_name(&layer.name) || !layer.inherits.iter().all(|name| is_name(name)) {
            return malformed("the name of a layer has 1 to 512 bytes".to_owned());
        }
        if numbers.add(&layer.name) as usize != at {
            return malformed(format!("the layer `{name}` is declared twice"));
        }
        if layer.inherits.len() > INHERITS_MAX {
            return malformed(format!("the layer `{name}` inherits from more than {INHERITS_MAX} others"));
        }
        if !layer.weight.is_finite() || layer.weight < 0.0 {
            let what = format!("the weight of the layer `{name}` is not a number from 0 on");
            return Err(GraphError::OutOfRange(what));
        }
        if layer.valid.since.zip(layer.valid.until).is_some_and(|(since, until)| since >= until) {
            return malformed(format!("the valid time of the layer `{name}` ends before it begins"));
        }
    }
    match circle(layers, &numbers) {
        Some(circle) => Err(GraphError::CircularLayers(circle)),
        None => Ok(()),
    }
}

/// A circle of inheritance: the one that is found from the first layer by name, beginning with its least name.
fn circle(layers: &[Layer], numbers: &Symbols) -> Option<Vec<String>> {
    let mut order: Vec<u32> = (0..layers.len() as u32).collect();
    numbers.sort(&mut order);
    // Where the walk over each layer's inheritances is; NONE before it began.
    let mut progress = vec![NONE; layers.len()];
    let mut done = vec![false; layers.len()];
    for start in order {
        let mut walk = vec![start];
        while let Some(&layer) = walk.last() {
            let at = layer as usize;
            let (Some(step), Some(declared)) = (progress.get_mut(at), layers.get(at)) else { break };
            if done.get(at) == Some(&true) {
                walk.pop();
                continue;
            }
            *step = step.wrapping_add(1);
            let next = *step as usize;
            let Some(from) = declared.inherits.get(next) else {
                if let Some(done) = done.get_mut(at) {
                    *done = true;
                }
                continue;
            };
            let Some(from) = numbers.find(from) else { continue };
            if done.get(from as usize) == Some(&true) {
                continue;
            }
            if let Some(begin) = walk.iter().position(|&layer| layer == from) {
                let mut names: Vec<String> = walk.drain(begin..).map(|layer| numbers.name(layer).to_owned()).collect();
                let least = (0..names.len()).min_by_key(|&at| names.get(at)).unwrap_or(0);
                names.rotate_left(least);
                return Some(names);
            }
            walk.push(from);
        }
    }
    None
}
