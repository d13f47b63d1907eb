//! What was laid out for the views that were asked last: who opens a view with the same selection again need not wait for it.

use std::rc::Rc;

use super::compiled::Compiled;
use super::csr::Csr;
use super::filter::Filter;
use super::hierarchy::Hierarchy;
use super::store::Store;
use super::types::{Direction, Selection};

/// Selections kept at most; their directions do not count.
const SELECTIONS_MAX: usize = 8;

/// Bytes of all that is laid out at most, a third of what an instance may have.
const BYTES_MAX: usize = 1 << 30;

/// What views of one selection share. Only the filter outlives a change.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Its direction is forward: views share what is laid out whichever way they walk.
    selection: Selection,
    /// The change that it has seen.
    revision: u64,
    pub(crate) filter: Rc<Filter>,
    pub(crate) compiled: Option<Rc<Compiled>>,
    pub(crate) hierarchy: Option<Rc<Hierarchy>>,
    /// By direction.
    numbered: [Option<Rc<Csr>>; 3],
}

impl Shared {
    fn is_of(&self, other: &Selection) -> bool {
        let Selection { types, layers, at, expansion, direction: _ } = &self.selection;
        *types == other.types && *layers == other.layers && *at == other.at && *expansion == other.expansion
    }

    pub(crate) fn numbered(&mut self, direction: Direction) -> &mut Option<Rc<Csr>> {
        let [forward, backward, both] = &mut self.numbered;
        match direction {
            Direction::Forward => forward,
            Direction::Backward => backward,
            Direction::Both => both,
        }
    }

    fn drop_arcs(&mut self) {
        (self.compiled, self.hierarchy, self.numbered) = (None, None, [None, None, None]);
    }

    fn bytes(&self) -> usize {
        let numbered: usize = self.numbered.iter().flatten().map(|csr| csr.bytes()).sum();
        let compiled = self.compiled.as_ref().map_or(0, |compiled| compiled.bytes());
        numbered + compiled + self.hierarchy.as_ref().map_or(0, |hierarchy| hierarchy.bytes())
    }
}

/// The selections that were asked last, the last one at the end.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    shared: Vec<Shared>,
}

impl Kept {
    /// The filter of a selection, as it was when it was last asked.
    pub(crate) fn filter(&self, selection: &Selection) -> Option<&Rc<Filter>> {
        self.shared.iter().find(|shared| shared.is_of(selection)).map(|shared| &shared.filter)
    }

    pub(crate) fn forget(&mut self, selection: &Selection) {
        self.shared.retain(|shared| !shared.is_of(selection));
    }

    /// What is laid out is not so any more.
    pub(crate) fn drop_arcs(&mut self) {
        self.shared.iter_mut().for_each(Shared::drop_arcs);
    }

    /// Lets go of what was asked longest ago, as far as there is too much.
    fn trim(&mut self) {
        let mut bytes: usize = self.shared.iter().map(Shared::bytes).sum();
        while self.shared.len() > SELECTIONS_MAX || bytes > BYTES_MAX {
            if self.shared.is_empty() {
                return;
            }
            bytes -= self.shared.remove(0).bytes();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.shared.iter().map(Shared::bytes).sum()
    }
}

/// Brings what views of a selection share up to date and hands it out; `filter` is that of a view that has it open.
pub(crate) fn with<T>(
    store: &mut Store,
    selection: &Selection,
    filter: Rc<Filter>,
    act: impl FnOnce(&mut Store, &mut Shared) -> T,
) -> T {
    let mut kept = store.kept.take();
    let mut shared = match kept.shared.iter().position(|shared| shared.is_of(selection)) {
        Some(at) => {
            drop(filter);
            kept.shared.remove(at)
        }
        None => Shared {
            selection: Selection { direction: Direction::Forward, ..selection.clone() },
            revision: 0,
            filter,
            compiled: None,
            hierarchy: None,
            numbered: [None, None, None],
        },
    };
    if shared.revision != store.revision {
        shared.drop_arcs();
        Rc::make_mut(&mut shared.filter).refresh(store);
        shared.revision = store.revision;
    }
    let answer = act(store, &mut shared);
    kept.shared.push(shared);
    kept.trim();
    store.kept.replace(kept);
    answer
}

#[cfg(test)]
mod tests {
    use super::super::types::{Interval, LayerNode, Link, Member, Name, Source};
    use super::super::{Net, work};
    use super::*;

    fn source(from: u32) -> Source {
        let member = |node: u32| Member { role: String::new(), target: Name::Key(format!("n{}", node % 50)) };
        let link = |to: u32| Link {
            id: format!("{from:012x}{to:012x}"),
            kind: "t".to_owned(),
            members: vec![member(from), member(to)],
            weight: 1.0,
            layers: Vec::new(),
            qualifiers: vec![("a".to_owned(), crate::types::Scalar::Number(1.5))],
            valid: Interval::default(),
        };
        let layers = vec![format!("l{}", from % 2), "all".to_owned()];
        Source { key: format!("n{from}"), layers, links: (from + 1..from + 4).map(link).collect() }
    }

    fn net() -> Net {
        let mut net = Net::default();
        net.apply(&(0..50).map(source).collect::<Vec<_>>(), &[]).unwrap();
        net
    }

    fn in_layer(name: &str, direction: Direction) -> Selection {
        Selection { layers: vec![LayerNode::Layer(name.to_owned())], direction, ..Selection::default() }
    }

    /// A view is opened for every request: the second that asks the same, whichever way it walks, lays nothing out.
    #[test]
    fn the_same_selection_is_laid_out_once() {
        let mut net = net();
        work::take();
        for direction in [Direction::Forward, Direction::Both, Direction::Backward, Direction::Forward] {
            let mut view = net.open(in_layer("l1", direction)).unwrap();
            net.components(&mut view, false);
            net.roots(&mut view);
        }
        assert_eq!(work::take().layouts, 2, "arcs, and the hierarchy");
        let mut view = net.open(in_layer("l0", Direction::Forward)).unwrap();
        net.components(&mut view, false);
        assert_eq!(work::take().layouts, 1, "another selection is another graph");
    }

    /// What changes the graph drops what was laid out; a record that says the same of the graph as before does not, and neither does
    /// the removal of one that is not there.
    #[test]
    fn changes_drop_what_was_laid_out() {
        let mut net = net();
        let count = |net: &mut Net| {
            let mut view = net.open(in_layer("l1", Direction::Forward)).unwrap();
            net.components(&mut view, false).into_iter().filter(|component| *component != u32::MAX).count()
        };
        assert_eq!(count(&mut net), 50);
        work::take();
        let turned = Source { layers: vec!["all".to_owned(), "l1".to_owned(), "all".to_owned()], ..source(3) };
        net.apply(&[turned, source(4)], &["nobody".to_owned()]).unwrap();
        assert_eq!((count(&mut net), work::take().layouts), (50, 0));
        for changed in [
            Source { layers: vec!["l1".to_owned()], ..source(3) },
            Source { links: source(5).links.into_iter().take(2).collect(), ..source(5) },
            Source {
                links: source(6).links.into_iter().map(|link| Link { weight: 2.0, ..link }).collect(),
                ..source(6)
            },
            Source {
                links: source(7).links.into_iter().map(|link| Link { qualifiers: Vec::new(), ..link }).collect(),
                ..source(7)
            },
            Source { links: source(8).links.into_iter().rev().collect(), ..source(8) },
        ] {
            net.apply(&[changed], &[]).unwrap();
            assert_eq!((count(&mut net), work::take().layouts), (50, 1));
        }
        net.apply(&[Source { key: "new".to_owned(), layers: vec!["l1".to_owned()], links: Vec::new() }], &[]).unwrap();
        assert_eq!((count(&mut net), work::take().layouts), (51, 1));
        net.apply(&[], &["new".to_owned()]).unwrap();
        assert_eq!((count(&mut net), work::take().layouts), (50, 1));
    }

    /// Neighbours, short walks, paths and incidence look at the links of the nodes that they come to, and at nothing else: in a view
    /// that is opened for one question, also over the links themselves.
    #[test]
    fn point_questions_lay_nothing_out() {
        let mut net = net();
        let node = net.find(&[Name::Key("n7".to_owned())])[0].unwrap();
        for expansion in [super::super::types::Expansion::Clique, super::super::types::Expansion::Star] {
            let open = |net: &mut Net| net.open(Selection { expansion, ..Selection::default() }).unwrap();
            // The first walk over links gives them nodes.
            let mut view = open(&mut net);
            net.neighbours(&mut view, node);
            work::take();
            let mut view = open(&mut net);
            assert_eq!(net.neighbours(&mut view, node).len(), 3);
            let mut view = open(&mut net);
            assert!(net.reach(&mut view, &[node], 2, 100).unwrap().len() > 3);
            let mut view = open(&mut net);
            net.incidence(&mut view, node).unwrap();
            let work = work::take();
            assert!(work.layouts == 0 && work.statements < 60, "{work:?}");
        }
    }

    /// Only some selections are kept, those that were asked last.
    #[test]
    fn old_selections_are_let_go() {
        let mut net = net();
        let ask = |net: &mut Net, at: i64| {
            let mut view = net.open(Selection { at: Some(at), ..Selection::default() }).unwrap();
            net.components(&mut view, false);
        };
        let count = SELECTIONS_MAX as i64;
        (0..count).for_each(|at| ask(&mut net, at));
        work::take();
        (0..count).for_each(|at| ask(&mut net, at));
        assert_eq!(work::take().layouts, 0);
        ask(&mut net, count);
        ask(&mut net, 1);
        assert_eq!(work::take().layouts, 1);
        ask(&mut net, 0);
        assert_eq!(work::take().layouts, 1);
    }

    /// A layer that was gone when layers were declared, and has come back, is what it is now.
    #[test]
    fn a_layer_comes_back() {
        let mut net = Net::default();
        let alone = || Source { layers: vec!["x".to_owned()], ..source(1) };
        net.apply(&[alone()], &[]).unwrap();
        let degree = |net: &mut Net| {
            let mut view = net.open(in_layer("x", Direction::Both)).unwrap();
            net.edges(&mut view).len()
        };
        assert_eq!(degree(&mut net), 3);
        let mut old = net.open(in_layer("x", Direction::Both)).unwrap();
        net.apply(&[source(2)], &["n1".to_owned()]).unwrap();
        net.define_layers(&[]).unwrap();
        assert_eq!(net.edges(&mut old).len(), 0);
        assert!(net.open(in_layer("x", Direction::Both)).is_err());
        net.apply(&[alone()], &[]).unwrap();
        assert_eq!(degree(&mut net), 3);
    }
}
