//! Which weaknesses a view contains.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use super::{child, children};

/// Views by weakness.
///
/// A view lists weaknesses and categories, a category lists weaknesses within a view, and a weakness is the child of
/// others within a view: a view contains what can be reached from it. On CWE 4.14 view 1000 has 938 weaknesses that way,
/// 699 has 399, 884 has 157 and 1425 has 25. Views that the catalogue defines by an expression, such as "written in PHP",
/// contain only what states a relation in them.
#[derive(Debug)]
pub(super) struct Views<'a> {
    by_weakness: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// Members by (view, container). Weaknesses, categories and views share one space of numbers.
type Members<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a str>>;

impl<'a> Views<'a> {
    /// Reads all views of a catalogue.
    pub(super) fn of(root: Node<'a, 'a>) -> Views<'a> {
        let mut members = Members::new();
        let mut by_weakness: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for weakness in elements(root, "Weaknesses", "Weakness") {
            for related in elements(weakness, "Related_Weaknesses", "Related_Weakness") {
                let (view, id) = (related.attribute("View_ID"), weakness.attribute("ID"));
                if related.attribute("Nature") == Some("ChildOf") {
                    add(&mut members, view, related.attribute("CWE_ID"), id);
                }
                if let Some(id) = id {
                    by_weakness.entry(id).or_default().extend(view);
                }
            }
        }
        for (list, name, relations) in [("Categories", "Category", "Relationships"), ("Views", "View", "Members")] {
            for container in elements(root, list, name) {
                for member in elements(container, relations, "Has_Member") {
                    let view = member.attribute("View_ID");
                    add(&mut members, view, container.attribute("ID"), member.attribute("CWE_ID"));
                }
            }
        }
        for view in elements(root, "Views", "View").filter_map(|view| view.attribute("ID")) {
            for id in reachable(view, &members) {
                by_weakness.entry(id).or_default().insert(view);
            }
        }
        Views { by_weakness }
    }

    /// The views that contain a weakness.
    pub(super) fn of_weakness(&self, id: &str) -> impl Iterator<Item = &'a str> {
        self.by_weakness.get(id).into_iter().flatten().copied()
    }
}

fn elements<'a>(node: Node<'a, 'a>, list: &str, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    child(node, list).into_iter().flat_map(move |list| children(list, name))
}

fn add<'a>(members: &mut Members<'a>, view: Option<&'a str>, container: Option<&'a str>, member: Option<&'a str>) {
    if let (Some(view), Some(container), Some(member)) = (view, container, member) {
        members.entry((view, container)).or_default().push(member);
    }
}

fn reachable<'a>(view: &'a str, members: &Members<'a>) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![view]);
    while let Some(container) = open.pop() {
        let inside = members.get(&(view, container)).into_iter().flatten();
        open.extend(inside.copied().filter(|member| reached.insert(*member)));
    }
    reached
}
