//! Patterns: from their text or JSON to what the component takes, and back to names.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::GraphInstance;
use skerry_host::types::graph::{Direction, PatternLink, Term as Place};

use super::{PAGE_DEFAULT, PAGE_MAX, ask, find, invalid, limit, names, with_view};
use crate::body::{NodeName, PatternAnswer, PatternBody, PatternLinkBody, PatternTermBody, SelectionBody};
use crate::extract::{JsonBody, PathParameters};
use crate::filter;
use crate::node::Node;
use crate::pattern::{self, CLAUSES_MAX, Clause, Members, Pattern, Term, VARIABLES_MAX};
use crate::problem::Problem;

/// Rows that are passed over at most.
const OFFSET_MAX: u32 = 1_000_000;

/// Everything that fits a pattern of links with variables: `?a -[parent]-> ?b; ?b -[can-precede]-> CWE-79`.
#[utoipa::path(post, path = "/projects/{project}/graph/pattern", tag = "graph", params(("project" = String, Path)),
    request_body = PatternBody, responses((status = 200, body = PatternAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query, with `position` where the pattern cannot be read"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(crate) async fn pattern(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<PatternBody>,
) -> Result<Json<PatternAnswer>, Problem> {
    let most = limit(body.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let offset = super::within("offset", body.offset, 0, OFFSET_MAX)?;
    let pattern = match (body.pattern, body.links) {
        (Some(text), None) => read(&text)?,
        (None, Some(links)) => from_json(links)?,
        _ => return Err(invalid("Give either `pattern`, as text, or `links`, in JSON.")),
    };
    ask(node, project, move |graph| matches(graph, pattern, &body.selection, offset, most)).await
}

/// Reads a pattern as people write it.
pub(crate) fn read(text: &str) -> Result<Pattern, Problem> {
    pattern::parse(text).map_err(|error| {
        let detail = format!("The pattern cannot be read: {error}.");
        invalid(detail).with("position", error.at).with("query", text)
    })
}

/// What fits a pattern.
pub(crate) fn matches(
    graph: &mut GraphInstance,
    pattern: Pattern,
    selection: &SelectionBody,
    offset: u32,
    most: u32,
) -> Result<PatternAnswer, Problem> {
    if selection.direction.is_some() {
        return Err(invalid("A pattern says itself which way its links go; leave `selection.direction` out."));
    }
    let direction = direction(&pattern.clauses)?;
    let nodes = named(&pattern.clauses);
    let numbers = if nodes.is_empty() { Vec::new() } else { find(graph, &nodes)? };
    let number = |name: NodeName| nodes.iter().position(|node| *node == name).and_then(|at| numbers.get(at)).copied();
    let place = |term: &Term| match term {
        Term::Variable(variable) => Place::Variable(*variable as u32),
        Term::Key(key) => Place::Node(number(NodeName::Key(key.clone())).unwrap_or(u32::MAX)),
        Term::Link(id) => Place::Node(number(NodeName::Link(id.clone())).unwrap_or(u32::MAX)),
    };
    let links: Vec<PatternLink> = pattern.clauses.iter().map(|clause| link(clause, &place)).collect();
    with_view(graph, selection, direction, |graph, view| {
        let found = graph.find_pattern(view, &links, offset, most)?;
        let numbers: Vec<u32> = found.rows.iter().flatten().copied().collect();
        let mut named = names(graph, &numbers)?.into_iter();
        let rows = found.rows.iter().map(|row| (&mut named).take(row.len()).collect()).collect();
        let next_offset = (!found.complete).then_some(offset.saturating_add(most));
        Ok(PatternAnswer { variables: pattern.variables, rows, next_offset })
    })
}

fn link(clause: &Clause, place: &impl Fn(&Term) -> Place) -> PatternLink {
    let members = match &clause.members {
        Members::Arc(first, second) | Members::Edge(first, second) => {
            vec![(None, place(first)), (None, place(second))]
        }
        Members::Of(members) => members.iter().map(|(role, term)| (role.clone(), place(term))).collect(),
    };
    PatternLink {
        types: clause.types.clone(),
        members,
        this: clause.this.as_ref().map(place),
        qualifiers: filter::qualifiers(&clause.qualifiers),
    }
}

/// In a view that walks forward two members without roles are an arc; in one that walks both ways they are not.
fn direction(clauses: &[Clause]) -> Result<Direction, Problem> {
    let is_arc = |clause: &&Clause| matches!(clause.members, Members::Arc(..));
    let has_no_order = |clause: &&Clause| match &clause.members {
        Members::Arc(..) => false,
        Members::Edge(..) => true,
        Members::Of(members) => matches!(members.as_slice(), [(None, _), (None, _)]),
    };
    match (clauses.iter().any(|clause| is_arc(&clause)), clauses.iter().any(|clause| has_no_order(&clause))) {
        (true, true) => Err(invalid(
            "Arrows with a direction and links of two members without one cannot stand in one pattern; give the members roles, \
             as in type(from: ?a, to: ?b), or ask twice.",
        )),
        (true, false) => Ok(Direction::Forward),
        (false, _) => Ok(Direction::Both),
    }
}

/// The nodes that the pattern names.
fn named(clauses: &[Clause]) -> Vec<NodeName> {
    let terms = clauses.iter().flat_map(|clause| {
        let members: Vec<&Term> = match &clause.members {
            Members::Arc(first, second) | Members::Edge(first, second) => vec![first, second],
            Members::Of(members) => members.iter().map(|(_, term)| term).collect(),
        };
        members.into_iter().chain(&clause.this)
    });
    let mut nodes: Vec<NodeName> = terms
        .filter_map(|term| match term {
            Term::Variable(_) => None,
            Term::Key(key) => Some(NodeName::Key(key.clone())),
            Term::Link(id) => Some(NodeName::Link(id.clone())),
        })
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn from_json(links: Vec<PatternLinkBody>) -> Result<Pattern, Problem> {
    if links.is_empty() || links.len() > CLAUSES_MAX {
        return Err(invalid(format!("`links` has {} links; a pattern has 1 to {CLAUSES_MAX}.", links.len())));
    }
    let mut variables: Vec<String> = Vec::new();
    let mut clauses = Vec::with_capacity(links.len());
    for (at, link) in links.into_iter().enumerate() {
        let this = link.this.map(|this| match this {
            PatternTermBody::Variable(name) => variable(&mut variables, name),
            PatternTermBody::Key(_) => Err(invalid(format!("`links[{at}].this` is a link, not a key."))),
            PatternTermBody::Link(id) => Ok(Term::Link(id)),
        });
        let mut members = Vec::with_capacity(link.members.len());
        for (position, member) in link.members.into_iter().enumerate() {
            let term = match (member.variable, member.key, member.link) {
                (Some(name), None, None) => variable(&mut variables, name)?,
                (None, Some(key), None) => Term::Key(key),
                (None, None, Some(id)) => Term::Link(id),
                _ => {
                    let detail = format!("`links[{at}].members[{position}]` has one of `variable`, `key` and `link`.");
                    return Err(invalid(detail));
                }
            };
            members.push((member.role, term));
        }
        let members = match (link.arc, members.as_slice()) {
            (true, [(None, first), (None, second)]) => Members::Arc(first.clone(), second.clone()),
            (true, _) => {
                return Err(invalid(format!("`links[{at}]` is an `arc`, so it has two members without roles.")));
            }
            (false, _) => Members::Of(members),
        };
        clauses.push(Clause { types: link.types, members, this: this.transpose()?, qualifiers: link.qualifiers });
    }
    Ok(Pattern { variables, clauses })
}

fn variable(variables: &mut Vec<String>, name: String) -> Result<Term, Problem> {
    if let Some(known) = variables.iter().position(|known| *known == name) {
        return Ok(Term::Variable(known));
    }
    if variables.len() == VARIABLES_MAX {
        return Err(invalid(format!("A pattern has at most {VARIABLES_MAX} variables.")));
    }
    variables.push(name);
    Ok(Term::Variable(variables.len() - 1))
}
