//! Records, links and their names, with the limits that keep a replica healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The type of links that make a hierarchy, from child to parent.
pub const PARENT: &str = "parent";

/// Bytes of a record's text at most.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a record's data and metadata, as JSON, at most.
pub const DATA_BYTES_MAX: usize = 256 << 10;
/// Levels of nesting in data and metadata at most.
pub const DEPTH_MAX: usize = 32;
/// Links of a record at most.
pub const LINKS_MAX: usize = 1_000;
/// Members of a link at most.
pub const MEMBERS_MAX: usize = 64;
/// Layers of a record or a link at most.
pub const LAYERS_MAX: usize = 64;
/// Bytes of a record key at most.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of a link's qualifiers, as JSON, at most.
pub const QUALIFIER_BYTES_MAX: usize = 16 << 10;
/// Bytes of a layer's, role's or link type's name at most.
pub const NAME_BYTES_MAX: usize = 128;

/// A name that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No characters at all.
    #[error("a {0} must not be empty")]
    Empty(&'static str),
    /// Too many bytes.
    #[error("a {what} has at most {max} bytes of UTF-8, this one has {found}")]
    TooLong {
        /// What is named.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character that is not allowed.
    #[error("a {what} must not contain {character:?} (at byte {at})")]
    Character {
        /// What is named.
        what: &'static str,
        /// The character.
        character: char,
        /// Where it stands.
        at: usize,
    },
    /// A project name of another form.
    #[error("a project name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit, unlike {0:?}")]
    Project(String),
}

fn check_name(what: &'static str, name: &str, max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty(what));
    }
    if name.len() > max {
        return Err(NameError::TooLong { what, found: name.len(), max });
    }
    match name.char_indices().find(|(_, character)| character.is_control()) {
        Some((at, character)) => Err(NameError::Character { what, character, at }),
        None => Ok(()),
    }
}

/// A project's name: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit first. The same name is the same project on every replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError::Project`] for any other form.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if name.len() > 64 || !starts_well || !name.bytes().all(allowed) {
            return Err(NameError::Project(name.chars().take(80).collect()));
        }
        Ok(ProjectName(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record's key: 1 to 512 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordKey(String);

impl RecordKey {
    /// Checks a key.
    ///
    /// # Errors
    /// [`NameError`] with the rule that it breaks.
    pub fn parse(key: &str) -> Result<Self, NameError> {
        check_name("record key", key, KEY_BYTES_MAX)?;
        Ok(RecordKey(key.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unit of context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Unique in the project.
    pub key: RecordKey,
    /// What is embedded and searched.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Structured content.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// About the record.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Named contexts that it belongs to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub layers: BTreeSet<String>,
    /// Typed (hyper)edges that it states. A record read from a replica has them in the order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A typed (hyper)edge. Two links of one record with the same type and members are one link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// What the link says.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who takes part, in order.
    pub members: Vec<Member>,
    /// Strength, finite.
    pub weight: f64,
    /// Layers that it belongs to; without any, those of the record that states it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub layers: BTreeSet<String>,
    /// What is said about the link: source, certainty, whatever the statement is qualified by.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub qualifiers: Map<String, Value>,
    /// When what it says holds.
    #[serde(default, skip_serializing_if = "Interval::is_always")]
    pub valid: Interval,
}

/// Valid time: from `since` on, until before `until`, in milliseconds since 1970. None: without end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The first moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// The moment behind the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Interval {
    /// It has neither beginning nor end.
    pub fn is_always(&self) -> bool {
        *self == Interval::default()
    }

    /// Something is in it.
    pub fn is_proper(&self) -> bool {
        self.since.zip(self.until).is_none_or(|(since, until)| since < until)
    }

    /// Whether it contains a moment.
    pub fn contains(&self, moment: i64) -> bool {
        self.since.is_none_or(|since| since <= moment) && self.until.is_none_or(|until| moment < until)
    }
}

/// A member of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The part that it plays.
    pub role: String,
    /// Who it is.
    #[serde(flatten)]
    pub target: Target,
}

/// Who a member is. It need not exist (yet).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The record with this key.
    Key(String),
    /// The link with this id, whoever states it: a link over links. As an id follows from what the link says, no link is
    /// ever its own member, however far down.
    Link(String),
}

/// A record that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// More text than allowed.
    #[error("the text has {found} bytes, at most {TEXT_BYTES_MAX} are allowed; split it into several records")]
    TextTooLong {
        /// Bytes found.
        found: usize,
    },
    /// More data than allowed.
    #[error("data and metadata have {found} bytes as JSON, at most {DATA_BYTES_MAX} are allowed")]
    DataTooLong {
        /// Bytes found.
        found: usize,
    },
    /// Nested too deep.
    #[error("data and metadata nest at most {DEPTH_MAX} levels deep")]
    TooDeep,
    /// Too many of something.
    #[error("a {owner} has at most {max} {what}, this one has {found}")]
    TooMany {
        /// What has too many.
        owner: &'static str,
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A link without members.
    #[error("link {0} has no members")]
    NoMembers(usize),
    /// A weight that is not a number.
    #[error("the weight of link {0} is not a finite number")]
    Weight(usize),
    /// More qualifiers than allowed.
    #[error("the qualifiers of link {link} have {found} bytes as JSON, at most {QUALIFIER_BYTES_MAX} are allowed")]
    QualifiersTooLong {
        /// Position of the link.
        link: usize,
        /// Bytes found.
        found: usize,
    },
    /// A valid time that ends before it begins.
    #[error("the valid time of link {0} ends before it begins, so that it never holds; exchange the two")]
    Interval(usize),
    /// A member that is no link's id.
    #[error("link {0} has a member whose `link` is not an id of a link: 24 hex digits in lower case")]
    LinkId(usize),
    /// A record as its own parent.
    #[error("link {0} makes `{1}` its own parent; take it out, or name another parent")]
    OwnParent(usize, String),
    /// A name inside the record.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Record {
    /// A record of text alone.
    pub fn text(key: RecordKey, text: &str) -> Self {
        let (data, metadata) = (Map::new(), Map::new());
        Record { key, text: text.to_owned(), data, metadata, layers: BTreeSet::new(), links: Vec::new() }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), RecordError> {
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(RecordError::TextTooLong { found: self.text.len() });
        }
        for object in [&self.data, &self.metadata] {
            if !object.values().all(fits_field) {
                return Err(RecordError::TooDeep);
            }
        }
        let json_bytes = |object: &Map<String, Value>| serde_json::to_vec(object).map_or(usize::MAX, |json| json.len());
        let found = json_bytes(&self.data).saturating_add(json_bytes(&self.metadata));
        if found > DATA_BYTES_MAX {
            return Err(RecordError::DataTooLong { found });
        }
        check_layers("record", &self.layers)?;
        check_count("record", "links", self.links.len(), LINKS_MAX)?;
        self.links.iter().enumerate().try_for_each(|(index, link)| check_link(index, link))
    }

    /// The record as a replica gives it back: of links with one identity the last, in the order of their ids.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        let by_id: BTreeMap<String, Link> = self.links.into_iter().map(|link| (link.id(), link)).collect();
        self.links = by_id.into_values().collect();
        self
    }
}

/// Checks what a link says, its identity.
pub(crate) fn check_statement(index: usize, link: &Link) -> Result<(), RecordError> {
    check_name("link type", &link.kind, NAME_BYTES_MAX)?;
    if link.members.is_empty() {
        return Err(RecordError::NoMembers(index));
    }
    check_count("link", "members", link.members.len(), MEMBERS_MAX)?;
    for member in &link.members {
        check_name("role", &member.role, NAME_BYTES_MAX)?;
        match &member.target {
            Target::Key(key) => check_name("record key", key, KEY_BYTES_MAX)?,
            Target::Link(id) if is_link_id(id) => {}
            Target::Link(_) => return Err(RecordError::LinkId(index)),
        }
    }
    if let (PARENT, [child, parent]) = (link.kind.as_str(), link.members.as_slice())
        && child.target == parent.target
    {
        return Err(RecordError::OwnParent(index, child.target.name().to_owned()));
    }
    Ok(())
}

fn check_link(index: usize, link: &Link) -> Result<(), RecordError> {
    check_statement(index, link)?;
    if !link.weight.is_finite() {
        return Err(RecordError::Weight(index));
    }
    if !link.valid.is_proper() {
        return Err(RecordError::Interval(index));
    }
    if !link.qualifiers.values().all(fits_field) {
        return Err(RecordError::TooDeep);
    }
    let found = serde_json::to_vec(&link.qualifiers).map_or(usize::MAX, |json| json.len());
    if found > QUALIFIER_BYTES_MAX {
        return Err(RecordError::QualifiersTooLong { link: index, found });
    }
    check_layers("link", &link.layers)
}

/// Whether a layer may be called so.
pub(crate) fn is_layer_name(name: &str) -> bool {
    check_name("layer", name, NAME_BYTES_MAX).is_ok()
}

/// Checks a layer's name.
pub(crate) fn check_layer_name(name: &str) -> Result<(), NameError> {
    check_name("layer", name, NAME_BYTES_MAX)
}

/// An object's fields as far as they fit into so many bytes of JSON, in the order of their names, without those that nest too
/// deep.
pub(crate) fn within(object: Map<String, Value>, bytes_max: usize) -> Map<String, Value> {
    // As many commas as fields, but one.
    let mut left = bytes_max + ",".len() - "{}".len();
    let mut kept = Map::new();
    for (name, value) in object {
        let bytes = field_bytes(&name, &value);
        if bytes <= left && fits_field(&value) {
            left -= bytes;
            kept.insert(name, value);
        }
    }
    kept
}

/// Bytes that a field adds to an object's JSON at most: its name, its value, a colon and a comma.
fn field_bytes(name: &str, value: &Value) -> usize {
    let bytes = |json: Result<String, serde_json::Error>| json.map_or(usize::MAX / 4, |json| json.len());
    bytes(serde_json::to_string(name)) + bytes(serde_json::to_string(value)) + 2
}

/// Whether the value of a field of data, metadata or qualifiers nests no deeper than allowed.
pub(crate) fn fits_field(value: &Value) -> bool {
    fits(value, DEPTH_MAX - 1)
}

/// What the id of a link looks like.
fn is_link_id(id: &str) -> bool {
    id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn check_layers(owner: &'static str, layers: &BTreeSet<String>) -> Result<(), RecordError> {
    check_count(owner, "layers", layers.len(), LAYERS_MAX)?;
    layers.iter().try_for_each(|layer| Ok(check_name("layer", layer, NAME_BYTES_MAX)?))
}

fn check_count(owner: &'static str, what: &'static str, found: usize, max: usize) -> Result<(), RecordError> {
    if found > max { Err(RecordError::TooMany { owner, what, found, max }) } else { Ok(()) }
}

/// True when a value nests at most `levels` deep. Recursion ends at the limit, so depth cannot hurt the stack.
fn fits(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(values) => levels > 0 && values.iter().all(|value| fits(value, levels - 1)),
        Value::Object(object) => levels > 0 && object.values().all(|value| fits(value, levels - 1)),
        _ => true,
    }
}

impl Default for Link {
    /// Weight 1, always valid; nothing is said yet.
    fn default() -> Self {
        Link {
            kind: String::new(),
            members: Vec::new(),
            weight: 1.0,
            layers: BTreeSet::new(),
            qualifiers: Map::new(),
            valid: Interval::default(),
        }
    }
}

impl Target {
    /// The key or id.
    pub fn name(&self) -> &str {
        match self {
            Target::Key(name) | Target::Link(name) => name,
        }
    }
}

impl Link {
    /// Its identity: 24 hex digits of SHA-256 over type and members. Weight, layers, qualifiers and valid time may change
    /// without making another link of it, and records that state the same have one id for it.
    pub fn id(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(&self.kind);
        for member in &self.members {
            add(&member.role);
            if let Target::Link(_) = member.target {
                // No key is empty, so this is nobody's key.
                add("");
            }
            add(member.target.name());
        }
        hex::encode(hash.finalize().get(..12).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Record {
        Record::text(RecordKey::parse("k").unwrap(), "t")
    }

    /// Keys are parts of document leaves: the separator (a control character) must never get in (format.md).
    #[test]
    fn keys_have_no_control_characters_and_a_length() {
        assert!(RecordKey::parse("CWE-79/ü 漢").is_ok());
        assert_eq!(RecordKey::parse(""), Err(NameError::Empty("record key")));
        for bad in ["a\u{1f}b", "a\nb", "\u{0}", "a\u{7f}", "a\u{85}"] {
            assert!(matches!(RecordKey::parse(bad), Err(NameError::Character { .. })), "{bad:?}");
        }
        assert!(RecordKey::parse(&"k".repeat(512)).is_ok());
        assert!(matches!(RecordKey::parse(&"k".repeat(513)), Err(NameError::TooLong { found: 513, .. })));
    }

    /// Project names are parts of paths and document ids.
    #[test]
    fn project_names_are_plain() {
        for good in ["a", "0", "cwe-4.14_x", &"a".repeat(64)] {
            assert!(ProjectName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", ".", "a/b", "a b", "ü", &"a".repeat(65)] {
            assert!(ProjectName::parse(bad).is_err(), "{bad}");
        }
    }

    /// Each limit refuses what is one above it, and takes what is at it.
    #[test]
    fn limits_hold() {
        let mut long = record();
        long.text = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(long.check(), Ok(()));
        long.text.push('x');
        assert_eq!(long.check(), Err(RecordError::TextTooLong { found: TEXT_BYTES_MAX + 1 }));

        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
        let with = |value: Value| Record { data: value.as_object().unwrap().clone(), ..record() };
        assert_eq!(with(nested(DEPTH_MAX)).check(), Ok(()));
        assert_eq!(with(nested(DEPTH_MAX + 1)).check(), Err(RecordError::TooDeep));
        let large = with(json!({ "a": "x".repeat(DATA_BYTES_MAX) })).check();
        assert!(matches!(large, Err(RecordError::DataTooLong { .. })));

        let member = Member { role: "r".into(), target: Target::Key("k".into()) };
        let link = Link { kind: "t".into(), members: vec![member; 64], ..Link::default() };
        let with = |link: Link| Record { links: vec![link], ..record() }.check();
        assert_eq!(with(link.clone()), Ok(()));
        assert_eq!(with(Link { members: vec![], ..link.clone() }), Err(RecordError::NoMembers(0)));
        assert_eq!(with(Link { weight: f64::NAN, ..link.clone() }), Err(RecordError::Weight(0)));
        assert!(with(Link { kind: "a\tb".into(), ..link }).is_err());
    }

    /// Weight and layers are not part of a link's identity: two replicas that change them edit the same link.
    #[test]
    fn a_link_is_its_type_and_members() {
        let member = |role: &str, key: &str| Member { role: role.into(), target: Target::Key(key.into()) };
        let link =
            |kind: &str, members: Vec<Member>, weight| Link { kind: kind.into(), members, weight, ..Link::default() };
        let base = link("t", vec![member("a", "b")], 1.0);
        assert_eq!(base.id(), link("t", vec![member("a", "b")], 2.0).id());
        assert_ne!(base.id(), link("t", vec![member("ab", "")], 1.0).id());
        assert_ne!(base.id(), link("ta", vec![member("", "b")], 1.0).id());
        let over = Member { role: "a".into(), target: Target::Link("b".into()) };
        assert_ne!(base.id(), link("t", vec![over], 1.0).id());
    }

    /// What never holds, and what can be nobody's id, is refused where it is written.
    #[test]
    fn links_that_make_no_sense_are_refused() {
        let member = |target| Member { role: "r".into(), target };
        let key = |key: &str| member(Target::Key(key.into()));
        let link = Link { kind: "t".into(), members: vec![key("a"), key("b")], ..Link::default() };
        let with = |link: Link| Record { links: vec![link], ..record() }.check();
        let over = |id: &str| with(Link { members: vec![member(Target::Link(id.into()))], ..link.clone() });
        assert_eq!(over(&link.id()), Ok(()));
        assert_eq!(over(&link.id().to_uppercase()), Err(RecordError::LinkId(0)));
        assert_eq!(over("b"), Err(RecordError::LinkId(0)));
        let valid = |since, until| with(Link { valid: Interval { since, until }, ..link.clone() });
        assert_eq!(valid(Some(-1), Some(0)), Ok(()));
        assert_eq!(valid(Some(0), Some(0)), Err(RecordError::Interval(0)));
        let own = Link { kind: PARENT.into(), members: vec![key("a"), key("a")], ..link.clone() };
        assert_eq!(with(own), Err(RecordError::OwnParent(0, "a".into())));
        let long = json!({ "a": "x".repeat(QUALIFIER_BYTES_MAX) }).as_object().unwrap().clone();
        assert!(matches!(with(Link { qualifiers: long, ..link }), Err(RecordError::QualifiersTooLong { link: 0, .. })));
    }
}
