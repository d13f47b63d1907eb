//! A link as leaves of its record (decision 0011): `link/<id>` holds what it says, and beside that its weight, layers,
//! qualifiers and valid time have leaves of their own, so that replicas that change different ones both keep their change.
//!
//! Older programs wrote weight and layers into the first leaf. They are read from there, and an edit leaves such a leaf as it
//! is where it can: what an older program changes in it at the same time then survives, too.

use std::collections::BTreeMap;

use automerge::ScalarValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::leaves::{self, LINK};
use crate::materialise;
use crate::record::{self, Interval, LAYERS_MAX, LINKS_MAX, Link, Member, QUALIFIER_BYTES_MAX, is_layer_name};

const WEIGHT: &str = "weight";
const LAYER: &str = "layer";
const QUALIFIER: &str = "qualifier";
const SINCE: &str = "since";
const UNTIL: &str = "until";

/// What a first leaf holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    members: Vec<Member>,
    /// Older programs only, as the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<String>,
}

impl Said {
    fn parse(value: Value) -> Option<Said> {
        match value {
            Value::String(json) => serde_json::from_str(&json).ok(),
            other => serde_json::from_value(other).ok(),
        }
    }

    fn link(self) -> Link {
        Link {
            kind: self.kind,
            members: self.members,
            weight: self.weight.unwrap_or(1.0),
            layers: self.layers.into_iter().collect(),
            ..Link::default()
        }
    }
}

/// Adds the leaves of a link.
pub(crate) fn add(link: &Link, leaves: &mut BTreeMap<String, ScalarValue>) {
    let at = format!("{LINK}/{}", link.id());
    let said = Said { kind: link.kind.clone(), members: link.members.clone(), weight: None, layers: Vec::new() };
    let Ok(json) = serde_json::to_string(&said) else { return };
    if !is_one(link.weight) {
        leaves.insert(format!("{at}/{WEIGHT}"), ScalarValue::F64(link.weight));
    }
    for layer in &link.layers {
        leaves.insert(format!("{at}/{LAYER}/{}", leaves::escape(layer)), ScalarValue::Boolean(true));
    }
    leaves::add_object(&format!("{at}/{QUALIFIER}"), &link.qualifiers, leaves);
    for (name, end) in [(SINCE, link.valid.since), (UNTIL, link.valid.until)] {
        if let Some(ms) = end {
            leaves.insert(format!("{at}/{name}"), ScalarValue::Int(ms));
        }
    }
    leaves.insert(at, ScalarValue::Str(json.into()));
}

/// Leaves the first leaf of a link as it is where it says the link, whoever wrote it and however: takes it and what follows
/// from it out of what is to be written, and adds what contradicts it. `found` is what the leaf holds now.
pub(crate) fn keep(link: &Link, found: &str, wanted: &mut BTreeMap<String, ScalarValue>) {
    let Some(said) = Said::parse(Value::String(found.to_owned())) else { return };
    // Layers are only added beside it: to take one out of it, it is written anew.
    if (&said.kind, &said.members) != (&link.kind, &link.members)
        || !said.layers.iter().all(|layer| link.layers.contains(layer))
    {
        return;
    }
    let at = format!("{LINK}/{}", link.id());
    for layer in &said.layers {
        wanted.remove(&format!("{at}/{LAYER}/{}", leaves::escape(layer)));
    }
    let weight = format!("{at}/{WEIGHT}");
    if said.weight.unwrap_or(1.0).to_bits() == link.weight.to_bits() {
        wanted.remove(&weight);
    } else {
        wanted.insert(weight, ScalarValue::F64(link.weight));
    }
    wanted.insert(at, ScalarValue::Str(found.into()));
}

fn is_one(weight: f64) -> bool {
    weight.to_bits() == 1.0_f64.to_bits()
}

/// The links of a record while its leaves are read, by id.
#[derive(Debug, Default)]
pub(crate) struct Drafts(BTreeMap<String, Draft>);

#[derive(Debug, Default)]
struct Draft {
    said: Option<Link>,
    weight: Option<f64>,
    layers: Vec<String>,
    qualifiers: Map<String, Value>,
    valid: Interval,
}

impl Drafts {
    /// Takes a leaf; `path` is what follows `link/`.
    pub(crate) fn place(&mut self, path: &str, value: Value) {
        let (id, part) = path.split_once('/').map_or((path, None), |(id, part)| (id, Some(part)));
        let draft = match self.0.get_mut(id) {
            Some(draft) => draft,
            None => self.0.entry(id.to_owned()).or_default(),
        };
        let Some(part) = part else {
            // Nobody states a link under another id than its own.
            draft.said = Said::parse(value).map(Said::link).filter(|link| link.id() == id);
            return;
        };
        match part.split_once('/') {
            None if part == WEIGHT => draft.weight = value.as_f64().filter(|weight| weight.is_finite()),
            None if part == SINCE => draft.valid.since = materialise::moment(&value),
            None if part == UNTIL => draft.valid.until = materialise::moment(&value),
            Some((LAYER, name)) if value == Value::Bool(true) => draft.layers.push(leaves::unescape(name)),
            Some((QUALIFIER, rest)) => leaves::place_field(&mut draft.qualifiers, rest, value),
            _ => {}
        }
    }

    /// The links in the order of their ids, within all limits.
    pub(crate) fn finish(self) -> Vec<Link> {
        let links = self.0.into_values().filter_map(Draft::finish);
        links.take(LINKS_MAX).collect()
    }
}

impl Draft {
    /// The link; none when its first leaf is gone, or says nothing that anybody may say. What breaks a limit beyond that,
    /// which only a merge or a foreign writer can bring about, is passed over: layers and qualifiers behind the limit in the
    /// order of their names, and the end of a valid time that would never hold.
    fn finish(self) -> Option<Link> {
        let mut link = self.said?;
        record::check_statement(0, &link).ok()?;
        link.weight = self.weight.unwrap_or(link.weight);
        link.layers.extend(self.layers);
        link.layers = std::mem::take(&mut link.layers).into_iter().filter(|name| is_layer_name(name)).collect();
        while link.layers.len() > LAYERS_MAX {
            link.layers.pop_last();
        }
        link.qualifiers = record::within(self.qualifiers, QUALIFIER_BYTES_MAX);
        link.valid = self.valid;
        if !link.valid.is_proper() {
            link.valid.until = None;
        }
        Some(link)
    }
}
