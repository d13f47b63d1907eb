//! Counts of work, for tests that must see it: time says little on a machine that others use. Nothing outside of tests.

/// A layout of all arcs of a selection is made.
#[cfg(not(test))]
pub(crate) fn lay_out() {}

/// So many statements of links are looked at.
#[cfg(not(test))]
pub(crate) fn look_at(_statements: usize) {}

#[cfg(test)]
pub(crate) use counted::{lay_out, look_at, take};

#[cfg(test)]
mod counted {
    use std::cell::Cell;

    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct Work {
        pub(crate) layouts: usize,
        pub(crate) statements: usize,
    }

    thread_local! {
        static WORK: Cell<Work> = const { Cell::new(Work { layouts: 0, statements: 0 }) };
    }

    pub(crate) fn lay_out() {
        let work = WORK.get();
        WORK.set(Work { layouts: work.layouts + 1, ..work });
    }

    pub(crate) fn look_at(statements: usize) {
        let work = WORK.get();
        WORK.set(Work { statements: work.statements + statements, ..work });
    }

    /// What was done since the last call.
    pub(crate) fn take() -> Work {
        WORK.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::{Centrality, Direction, Interval, Link, Member, Name, Selection, Source};
    use super::super::{Net, work};

    fn link(from: &str, to: &str, number: usize) -> Link {
        let member = |key: &str| Member { role: String::new(), target: Name::Key(key.to_owned()) };
        Link {
            id: format!("{number:024x}"),
            kind: "t".to_owned(),
            members: vec![member(from), member(to)],
            weight: 1.0,
            layers: Vec::new(),
            qualifiers: Vec::new(),
            valid: Interval::default(),
        }
    }

    fn source(number: usize, links: Vec<Link>) -> Source {
        Source { key: format!("n{number:05}"), layers: Vec::new(), links }
    }

    const RECORDS: usize = 2_000;

    /// Every record of a project may state one link: to find the statement that counts, each looked at all others.
    #[test]
    fn a_link_that_all_state_costs_each_a_constant() {
        let mut net = Net::default();
        let all: Vec<Source> = (0..RECORDS).map(|number| source(number, vec![link("a", "b", 1)])).collect();
        net.apply(&all, &[]).unwrap();
        work::take();
        let a = net.find(&[Name::Key("a".to_owned())])[0].unwrap();
        let mut view = net.open(Selection { direction: Direction::Both, ..Selection::default() }).unwrap();
        assert_eq!(net.neighbours(&mut view, a).len(), 1);
        assert_eq!(net.incidence(&mut view, a).unwrap().len(), 1);
        assert_eq!(net.centrality(&mut view, &Centrality::Degree).unwrap()[a as usize].to_bits(), 1.0_f64.to_bits());
        let statements = work::take().statements;
        assert!(statements < 12 * RECORDS, "{statements}");
        // The oldest first, which stand at the end of the chain.
        for number in 0..RECORDS - 1 {
            net.apply(&[], &[format!("n{number:05}")]).unwrap();
        }
        let statements = work::take().statements;
        assert!(statements < 12 * RECORDS, "{statements}");
        assert_eq!(net.incidence(&mut view, a).unwrap().len(), 1);
        assert_eq!(net.describe().links, 1);
    }

    /// Links of a hub go one by one, in any order: to take one out, the whole row of the hub was searched.
    #[test]
    fn links_leave_a_hub_at_a_constant_each() {
        let mut net = Net::default();
        let all: Vec<Source> =
            (0..RECORDS).map(|number| source(number, vec![link("hub", &format!("n{number:05}"), number)])).collect();
        net.apply(&all, &[]).unwrap();
        work::take();
        // 7 and 2,000 have no common divisor.
        for step in 0..RECORDS - 5 {
            net.apply(&[], &[format!("n{:05}", step * 7 % RECORDS)]).unwrap();
        }
        let statements = work::take().statements;
        assert!(statements < 12 * RECORDS, "{statements}");
        let hub = net.find(&[Name::Key("hub".to_owned())])[0].unwrap();
        let mut view = net.open(Selection { direction: Direction::Forward, ..Selection::default() }).unwrap();
        let found = net.neighbours(&mut view, hub);
        let mut left: Vec<Name> =
            (RECORDS - 5..RECORDS).map(|step| Name::Key(format!("n{:05}", step * 7 % RECORDS))).collect();
        left.sort_by_key(|name| format!("{name:?}"));
        let mut names = net.names(&found);
        names.sort_by_key(|name| format!("{name:?}"));
        assert_eq!(names, left);
    }
}
