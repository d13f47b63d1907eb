//! Typed patterns with variables: a join over links.

use super::filter::kinds;
use super::names::NONE;
use super::store::{MEMBERS_MAX, Slot, Store};
use super::types::{Direction, GraphError, PatternLink, Rows, Term};
use super::view::View;
use super::walk::known;
use crate::order;

/// Links of a pattern at most.
pub const PATTERN_LINKS_MAX: usize = 16;

/// Variables of a pattern at most.
pub const VARIABLES_MAX: u32 = 16;

/// Rows that a join may have on its way.
const ROWS_MAX: usize = 500_000;

/// Members of links that a join may look at.
const STEPS_MAX: usize = 50_000_000;

/// A link of a pattern whose names are numbers.
#[derive(Debug)]
struct Wanted<'a> {
    kinds: Option<Vec<bool>>,
    /// The role, [`NONE`] for any, and the term.
    members: Vec<(u32, Term)>,
    from: &'a PatternLink,
    /// A role that nobody plays: nothing fits.
    is_void: bool,
    /// Links that could fit, whatever the variables are.
    links: usize,
}

/// Everything that fits a pattern, by the names of the nodes.
pub(crate) fn rows(
    view: &View,
    store: &mut Store,
    pattern: &[PatternLink],
    offset: u32,
    limit: u32,
) -> Result<Rows, GraphError> {
    let variables = check(store, pattern, limit)?;
    if pattern.iter().any(|link| link.this.is_some()) {
        let entries: Vec<u32> = store.slots().map(|(_, slot)| slot.entry).collect();
        for entry in entries {
            store.names.add_link_node(entry);
        }
    }
    store.names.sort();
    let mut join = Join { view, store, variables, steps: 0 };
    let mut wanted: Vec<Wanted<'_>> = pattern.iter().map(|link| join.wanted(link)).collect::<Result<_, _>>()?;
    let mut rows = vec![vec![NONE; variables]];
    while !wanted.is_empty() {
        let bound: Vec<bool> = (0..variables).map(|at| rows.iter().any(|row| row.get(at) != Some(&NONE))).collect();
        let next = (0..wanted.len()).min_by_key(|&at| wanted.get(at).map(|link| join.estimate(link, &bound)));
        let link = wanted.remove(next.unwrap_or(0));
        rows = join.extend(&rows, &link)?;
    }
    // Places in the order of names sort as rows are sorted everywhere here.
    rows.iter_mut().flatten().for_each(|node| *node = store.names.rank(*node));
    order::sort_by(&mut rows, Vec::cmp);
    let end = (offset as usize).saturating_add(limit as usize);
    let complete = rows.len() <= end;
    rows.truncate(end);
    let mut rows: Vec<Vec<u32>> = rows.into_iter().skip(offset as usize).collect();
    let order = store.names.order();
    rows.iter_mut().flatten().for_each(|rank| *rank = order.get(*rank as usize).copied().unwrap_or(NONE));
    Ok(Rows { rows, complete })
}

/// Answers how many variables there are.
fn check(store: &Store, pattern: &[PatternLink], limit: u32) -> Result<usize, GraphError> {
    let malformed = |what: String| Err(GraphError::Malformed(what));
    if limit == 0 {
        return Err(GraphError::OutOfRange("the limit is 0; it is a number from 1 on".to_owned()));
    }
    if pattern.is_empty() || pattern.len() > PATTERN_LINKS_MAX {
        return malformed(format!("a pattern has 1 to {PATTERN_LINKS_MAX} links, this one has {}", pattern.len()));
    }
    let mut used = vec![false; VARIABLES_MAX as usize];
    for (number, link) in pattern.iter().enumerate() {
        if link.members.len() > MEMBERS_MAX {
            return malformed(format!("link {number} of the pattern has more than {MEMBERS_MAX} members"));
        }
        for term in link.members.iter().map(|(_, term)| term).chain(&link.this) {
            match *term {
                Term::Node(node) => known(store, node)?,
                Term::Variable(variable) => match used.get_mut(variable as usize) {
                    Some(used) => *used = true,
                    None => return malformed(format!("the variable {variable} is not below {VARIABLES_MAX}")),
                },
            }
        }
    }
    let variables = used.iter().rposition(|used| *used).map_or(0, |last| last + 1);
    match used.iter().position(|used| !used) {
        Some(gap) if gap < variables => malformed(format!("the pattern has no variable {gap}, but one above it")),
        _ => Ok(variables),
    }
}

struct Join<'a> {
    view: &'a View,
    store: &'a Store,
    variables: usize,
    steps: usize,
}

impl Join<'_> {
    fn wanted<'b>(&self, from: &'b PatternLink) -> Result<Wanted<'b>, GraphError> {
        let kinds = kinds(self.store, &from.types)?;
        let mut is_void = false;
        let member = |(role, term): &(Option<String>, Term)| match role {
            None => (NONE, *term),
            Some(role) => {
                let role = self.store.roles.find(role);
                is_void |= role.is_none();
                (role.unwrap_or(NONE), *term)
            }
        };
        let members = from.members.iter().map(member).collect();
        let counts = self.store.kind_counts.iter().enumerate();
        let is_meant = |kind: usize| kinds.as_ref().is_none_or(|kinds| kinds.get(kind) == Some(&true));
        let links = counts.filter(|(kind, _)| is_meant(*kind)).map(|(_, count)| *count as usize).sum();
        Ok(Wanted { kinds, members, from, is_void, links })
    }

    /// How many links there are to look at for each row.
    fn estimate(&self, link: &Wanted<'_>, bound: &[bool]) -> usize {
        let average = self.store.slot_count() / self.store.names.len().max(1) + 1;
        let terms = link.members.iter().map(|(_, term)| (term, false));
        let terms = terms.chain(link.from.this.iter().map(|term| (term, true)));
        let of_term = |(term, is_link): (&Term, bool)| match *term {
            Term::Node(_) if is_link => Some(1),
            Term::Node(node) => Some(self.store.incident(node).len()),
            Term::Variable(variable) if bound.get(variable as usize) == Some(&true) => {
                Some(if is_link { 1 } else { average })
            }
            Term::Variable(_) => None,
        };
        terms.filter_map(of_term).min().unwrap_or(link.links).min(link.links)
    }

    /// Every row with every link that fits it.
    fn extend(&mut self, rows: &[Vec<u32>], link: &Wanted<'_>) -> Result<Vec<Vec<u32>>, GraphError> {
        let mut extended = Vec::new();
        if link.is_void {
            return Ok(extended);
        }
        let store = self.store;
        for row in rows {
            let value = |term: &Term| match *term {
                Term::Node(node) => node,
                Term::Variable(variable) => row.get(variable as usize).copied().unwrap_or(NONE),
            };
            let this = link.from.this.as_ref().map_or(NONE, value);
            if this != NONE {
                let entry = store.names.entry_of(this);
                if let Some(number) = entry.and_then(|entry| self.view.filter.statement(store, entry)) {
                    self.try_link(row, link, number, &mut extended)?;
                }
                continue;
            }
            let known = link.members.iter().map(|(_, term)| value(term)).filter(|node| *node != NONE);
            match known.min_by_key(|&node| store.incident(node).len()) {
                Some(node) => {
                    for &number in store.incident(node) {
                        self.try_link(row, link, number, &mut extended)?;
                    }
                }
                None => {
                    for (number, _) in store.slots() {
                        self.try_link(row, link, number, &mut extended)?;
                    }
                }
            }
        }
        order::sort_by(&mut extended, Vec::cmp);
        extended.dedup();
        Ok(extended)
    }

    fn try_link(
        &mut self,
        row: &[u32],
        link: &Wanted<'_>,
        number: u32,
        extended: &mut Vec<Vec<u32>>,
    ) -> Result<(), GraphError> {
        self.step()?;
        let store = self.store;
        let Some(slot) = store.slot(number) else { return Ok(()) };
        let is_meant = link.kinds.as_ref().is_none_or(|kinds| kinds.get(slot.kind as usize) == Some(&true));
        if !is_meant || !self.view.filter.takes(store, number, slot) {
            return Ok(());
        }
        let qualifiers = store.qualifiers(number);
        if !link.from.qualifiers.iter().all(|wanted| qualifiers.contains(wanted)) {
            return Ok(());
        }
        let mut row = row.to_vec();
        if let Some(this) = &link.from.this {
            let node = store.names.entry(slot.entry).map_or(NONE, |entry| entry.node);
            if bind(&mut row, *this, node).is_none() {
                return Ok(());
            }
        }
        self.assign(&row, link, slot, extended)
    }

    /// Every way to give each member of the pattern another member of the link: without recursion, place by place.
    fn assign(
        &mut self,
        row: &[u32],
        link: &Wanted<'_>,
        slot: &Slot,
        extended: &mut Vec<Vec<u32>>,
    ) -> Result<(), GraphError> {
        let members = self.store.members(slot);
        if link.members.len() > members.len() {
            return Ok(());
        }
        let order = self.order(link, members.len());
        // For each member of the pattern the position that is tried next, and the variables as they were before it.
        let mut tries: Vec<(usize, Vec<u32>)> = vec![(0, row.to_vec())];
        let mut taken: Vec<usize> = Vec::new();
        while let Some((position, before)) = tries.last_mut() {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(too_much());
            }
            let depth = taken.len();
            let Some((role, term)) = link.members.get(depth) else {
                extended.push(before.clone());
                if extended.len() > ROWS_MAX {
                    return Err(too_much());
                }
                tries.pop();
                taken.pop();
                continue;
            };
            let Some(&(node, played)) = members.get(*position) else {
                tries.pop();
                taken.pop();
                continue;
            };
            let here = *position;
            *position += 1;
            let fits = (*role == NONE || *role == played)
                && !taken.contains(&here)
                && order.is_none_or(|first| (here == first) == (depth == 0));
            if !fits {
                continue;
            }
            let mut row = before.clone();
            if bind(&mut row, *term, node).is_some() {
                taken.push(here);
                tries.push((0, row));
            }
        }
        Ok(())
    }

    /// In a view that walks one way, two members without roles are the ends of an arc: the position of its first.
    fn order(&self, link: &Wanted<'_>, members: usize) -> Option<usize> {
        let is_arc = members == 2 && matches!(link.members.as_slice(), [(NONE, _), (NONE, _)]);
        match self.view.selection.direction {
            Direction::Forward if is_arc => Some(0),
            Direction::Backward if is_arc => Some(1),
            _ => None,
        }
    }

    fn step(&mut self) -> Result<(), GraphError> {
        self.steps += 1;
        if self.steps > STEPS_MAX { Err(too_much()) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Join<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Join").field("variables", &self.variables).field("steps", &self.steps).finish_non_exhaustive()
    }
}

fn too_much() -> GraphError {
    let what = "the pattern has more than 500,000 rows on its way, or needs more than 50,000,000 steps; name types, roles or \
                nodes in it, or ask for a part of it";
    GraphError::TooMuch(what.to_owned())
}

/// Gives a term a value if it may have it.
fn bind(row: &mut [u32], term: Term, node: u32) -> Option<()> {
    match term {
        Term::Node(wanted) => (wanted == node).then_some(()),
        Term::Variable(variable) => {
            let place = row.get_mut(variable as usize)?;
            let may = *place == NONE || *place == node;
            *place = node;
            may.then_some(())
        }
    }
}
