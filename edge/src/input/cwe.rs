//! The CWE catalogue of software weaknesses, from its XML inside the `PyPI` wheel `cwe2`.

mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};

use crate::body::{IntervalBody, LayerBody, LayerKindBody, LinkBody, RecordBody};
use views::Views;

/// The catalogue.
#[derive(Debug)]
pub struct Catalogue {
    /// One record a weakness.
    pub records: Vec<RecordBody>,
    /// The catalogue's views.
    pub layers: Vec<LayerBody>,
    /// Version, date and terms of use, which every copy must carry.
    pub notice: String,
}

/// Reads the wheel.
///
/// # Errors
/// When it is not the wheel, or its XML is not a catalogue.
pub fn read_wheel(path: &Path) -> anyhow::Result<Catalogue> {
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut archive = zip::ZipArchive::new(file).with_context(|| format!("read {} as a wheel", path.display()))?;
    let mut text_of = |ending: &str| -> anyhow::Result<String> {
        let name = archive.file_names().find(|name| name.ends_with(ending)).map(str::to_owned);
        let name = name.with_context(|| format!("{} has no {ending}; is it the wheel cwe2?", path.display()))?;
        let mut text = String::new();
        archive.by_name(&name)?.read_to_string(&mut text).with_context(|| format!("unpack {name}"))?;
        Ok(text)
    };
    let xml = text_of("cwec_v4.14.xml")?;
    let terms = format!("{}\n\n{}", text_of("/cwe.NOTICE")?.trim(), text_of("database_v49/cwe-tou.LICENSE")?.trim());
    parse(&xml, &terms)
}

/// Reads the catalogue's XML.
///
/// # Errors
/// When it is not one.
pub fn parse(xml: &str, terms: &str) -> anyhow::Result<Catalogue> {
    let document = Document::parse(xml).context("parse the catalogue")?;
    let root = document.root_element();
    let version = root.attribute("Version").context("the catalogue has no version")?;
    let date = root.attribute("Date").unwrap_or("no date");
    let weaknesses = child(root, "Weaknesses").context("the catalogue has no weaknesses")?;
    let source = format!("CWE {version}, The MITRE Corporation");
    let views = Views::of(root);
    let records =
        children(weaknesses, "Weakness").map(|node| weakness(node, &source, &views)).collect::<anyhow::Result<_>>()?;
    let layers = declared(root);
    Ok(Catalogue {
        records,
        layers,
        notice: format!("CWE {version} ({date}), Common Weakness Enumeration.\n\n{terms}"),
    })
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn children<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

fn weakness(node: Node<'_, '_>, source: &str, views: &Views<'_>) -> anyhow::Result<RecordBody> {
    let attribute = |name: &str| node.attribute(name).unwrap_or_default();
    let id = node.attribute("ID").context("a weakness has no ID")?;
    let key = format!("CWE-{id}");
    let paragraphs = ["Description", "Extended_Description"].map(|name| child(node, name).map(plain_text));
    let mut text = attribute("Name").to_owned();
    for paragraph in paragraphs.into_iter().flatten().filter(|paragraph| !paragraph.is_empty()) {
        text.push_str("\n\n");
        text.push_str(&paragraph);
    }
    let mut data = Map::new();
    data.insert("name".to_owned(), json!(attribute("Name")));
    for (field, name) in [("abstraction", "Abstraction"), ("structure", "Structure"), ("status", "Status")] {
        data.insert(field.to_owned(), json!(attribute(name)));
    }
    if let Some(likelihood) = child(node, "Likelihood_Of_Exploit") {
        data.insert("likelihood".to_owned(), json!(plain_text(likelihood)));
    }
    let lists = [
        ("consequences", "scope", texts_below(node, "Common_Consequences", "Scope")),
        ("consequences", "impact", texts_below(node, "Common_Consequences", "Impact")),
        ("introduction", "phase", texts_below(node, "Modes_Of_Introduction", "Phase")),
        ("platforms", "language", attributes_below(node, "Language", &["Name", "Class"])),
        ("platforms", "technology", attributes_below(node, "Technology", &["Name", "Class"])),
    ];
    for (outer, inner, values) in lists.into_iter().filter(|(_, _, values)| !values.is_empty()) {
        let object = data.entry(outer).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(object) = object {
            object.insert(inner.to_owned(), json!(values));
        }
    }
    let mut metadata = Map::new();
    metadata.insert("source".to_owned(), json!(source));
    metadata.insert("url".to_owned(), json!(format!("https://cwe.mitre.org/data/definitions/{id}.html")));
    let links = relations(node, &key);
    let layers = views.of_weakness(id).map(layer).collect();
    Ok(RecordBody { key, text, data, metadata, layers, links })
}

/// Links to related weaknesses. One relation that stands in several views is one link in several layers.
fn relations(node: Node<'_, '_>, key: &str) -> Vec<LinkBody> {
    let mut views: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    let related = child(node, "Related_Weaknesses").into_iter().flat_map(|list| children(list, "Related_Weakness"));
    for relation in related {
        let (Some(nature), Some(id)) = (relation.attribute("Nature"), relation.attribute("CWE_ID")) else { continue };
        let view = relation.attribute("View_ID").map(layer);
        views.entry((nature, id)).or_default().extend(view);
    }
    let link = |((nature, id), layers): ((&str, &str), BTreeSet<String>)| {
        let (kind, roles) = match nature {
            "ChildOf" => ("parent".to_owned(), ["child", "parent"]),
            other => (kebab(other), ["subject", "object"]),
        };
        let [own, others] = roles;
        LinkBody { layers, ..LinkBody::of(&kind, &[(own, key), (others, &format!("CWE-{id}"))]) }
    };
    views.into_iter().map(link).collect()
}

/// The catalogue's views as layers.
fn declared(root: Node<'_, '_>) -> Vec<LayerBody> {
    let views = child(root, "Views").into_iter().flat_map(|list| children(list, "View"));
    let declared = |view: Node<'_, '_>| {
        let objective = child(view, "Objective").map(plain_text).unwrap_or_default();
        let name = view.attribute("Name").unwrap_or_default();
        let description =
            [name, &objective].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
        let mut data = Map::new();
        for (field, attribute) in [("type", "Type"), ("status", "Status")] {
            data.extend(view.attribute(attribute).map(|value| (field.to_owned(), json!(value))));
        }
        Some(LayerBody {
            name: layer(view.attribute("ID")?),
            kind: Some(LayerKindBody::Domain),
            description,
            weight: 1.0,
            inherits: BTreeSet::new(),
            valid: IntervalBody::default(),
            data,
        })
    };
    views.filter_map(declared).collect()
}

/// The layer of a view.
fn layer(view: &str) -> String {
    format!("view:{view}")
}

/// `CanPrecede` as `can-precede`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (index, character) in name.char_indices() {
        if character.is_uppercase() && index > 0 {
            out.push('-');
        }
        out.extend(character.to_lowercase());
    }
    out
}

/// All text below a node, white space folded.
fn plain_text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text).filter_map(|text| text.text());
    let words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

fn texts_below(node: Node<'_, '_>, list: &str, name: &str) -> BTreeSet<String> {
    let below = child(node, list).into_iter().flat_map(|list| list.descendants());
    below.filter(|node| node.tag_name().name() == name).map(plain_text).collect()
}

fn attributes_below(node: Node<'_, '_>, name: &str, attributes: &[&str]) -> BTreeSet<String> {
    let below = child(node, "Applicable_Platforms").into_iter().flat_map(|list| list.descendants());
    let found = below.filter(|node| node.tag_name().name() == name);
    found
        .filter_map(|node| attributes.iter().find_map(|attribute| node.attribute(*attribute)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<Weakness_Catalog xmlns="http://cwe.mitre.org/cwe-7" xmlns:xhtml="http://www.w3.org/1999/xhtml" Version="4.14" Date="2024-02-29">
      <Weaknesses>
        <Weakness ID="79" Name="Cross-site Scripting" Abstraction="Base" Structure="Simple" Status="Stable">
          <Description>The product does not
             neutralize input.</Description>
          <Extended_Description><xhtml:p>It <xhtml:b>occurs</xhtml:b> when:</xhtml:p></Extended_Description>
          <Related_Weaknesses>
            <Related_Weakness Nature="ChildOf" CWE_ID="74" View_ID="1000" Ordinal="Primary"/>
            <Related_Weakness Nature="ChildOf" CWE_ID="74" View_ID="1003"/>
            <Related_Weakness Nature="CanPrecede" CWE_ID="494" View_ID="1000"/>
          </Related_Weaknesses>
          <Applicable_Platforms><Language Class="Not Language-Specific"/></Applicable_Platforms>
          <Common_Consequences><Consequence><Scope>Access Control</Scope><Scope>Confidentiality</Scope></Consequence></Common_Consequences>
          <Likelihood_Of_Exploit>High</Likelihood_Of_Exploit>
        </Weakness>
        <Weakness ID="74" Name="Injection" Abstraction="Class" Structure="Simple" Status="Incomplete"/>
        <Weakness ID="1187" Name="Withdrawn" Abstraction="Base" Structure="Simple" Status="Deprecated"/>
      </Weaknesses>
      <Categories>
        <Category ID="137" Name="Data Neutralization Issues"><Relationships>
          <Has_Member CWE_ID="79" View_ID="699"/>
        </Relationships></Category>
        <Category ID="990" Name="Tainted Input"><Relationships>
          <Has_Member CWE_ID="74" View_ID="888"/>
        </Relationships></Category>
      </Categories>
      <Views>
        <View ID="1000" Type="Graph"><Members><Has_Member CWE_ID="74" View_ID="1000"/></Members></View>
        <View ID="699" Name="Software Development" Type="Graph"><Objective>What  developers meet.</Objective><Members><Has_Member CWE_ID="137" View_ID="699"/></Members></View>
        <View ID="884" Type="Explicit"><Members><Has_Member CWE_ID="74" View_ID="884"/></Members></View>
        <View ID="1425" Type="Graph"><Members><Has_Member CWE_ID="79" View_ID="1425"/></Members></View>
        <View ID="658" Type="Implicit"><Filter>/Weakness_Catalog/Weaknesses/Weakness</Filter></View>
      </Views>
    </Weakness_Catalog>"#;

    /// Text, data and typed relations of a weakness; the same relation in two views is one link in two layers.
    #[test]
    fn a_weakness_becomes_a_record() {
        let catalogue = parse(XML, "terms").unwrap();
        let record = &catalogue.records[0];
        assert_eq!(record.key, "CWE-79");
        assert_eq!(record.text, "Cross-site Scripting\n\nThe product does not neutralize input.\n\nIt occurs when:");
        assert_eq!(record.data["likelihood"], "High");
        assert_eq!(record.data["consequences"]["scope"], json!(["Access Control", "Confidentiality"]));
        assert_eq!(record.links.len(), 2);
        let parent = record.links.iter().find(|link| link.kind == "parent").unwrap();
        assert_eq!(parent.members[1].key.as_deref(), Some("CWE-74"));
        assert_eq!(parent.layers.len(), 2);
        assert!(record.links.iter().any(|link| link.kind == "can-precede"));
        assert!(catalogue.notice.contains("4.14") && catalogue.notice.ends_with("terms"));
    }

    /// A view contains what it lists, what its categories list, and what stands below either in that view; so its roots,
    /// which are nobody's child, are in it too. A category belongs to a view only when the view lists it.
    #[test]
    fn views_are_layers() {
        let catalogue = parse(XML, "terms").unwrap();
        let layers = |index: usize| catalogue.records[index].layers.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(layers(0), ["view:1000", "view:1003", "view:1425", "view:699"]);
        assert_eq!(layers(1), ["view:1000", "view:884"]);
        assert_eq!(layers(2), [""; 0], "what was withdrawn is in no view");
        let declared: Vec<(&str, &str)> =
            catalogue.layers.iter().map(|layer| (layer.name.as_str(), layer.description.as_str())).collect();
        assert_eq!(declared.len(), 5);
        assert_eq!(declared[1], ("view:699", "Software Development\n\nWhat developers meet."));
        assert_eq!(catalogue.layers[1].data["type"], "Graph");
    }

    /// Another XML file is not a catalogue.
    #[test]
    fn other_xml_is_refused() {
        assert!(parse("<a/>", "").is_err());
        assert!(parse("<a", "").is_err());
    }
}
