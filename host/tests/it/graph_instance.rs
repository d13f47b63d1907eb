//! The graph in the component: the same bits as natively, and nothing that a caller says ends it.

use skerry_host::types::graph::{
    Centrality, Direction, Expansion, Interval, Layer, LayerNode, Length, Link, Member, Name, PatternLink, Selection,
    Source, Target, Term,
};
use skerry_host::{GraphError, GraphInstance};
use skerry_query::net::{Net, types as native};

use crate::artefacts::{ENGINE, LIMITS, component};

const NODES: u32 = 300;

fn instance() -> GraphInstance {
    GraphInstance::new(&ENGINE, &component("query"), LIMITS).unwrap()
}

/// Ends and weights, the same for the same numbers.
fn arcs(from: u32) -> impl Iterator<Item = (u32, f64)> {
    (0..4).map(move |step| ((from * 7 + step * step * 31 + 1) % NODES, f64::from((from + step) % 13) / 10.0))
}

fn id(from: u32, to: u32) -> String {
    format!("{from:012x}{to:012x}")
}

fn sources() -> Vec<Source> {
    let member = |node: u32| Member { role: "end".to_owned(), target: Target::Key(format!("n{node}")) };
    let link = |from: u32, (to, weight): (u32, f64)| Link {
        id: id(from, to),
        kind: "t".to_owned(),
        members: vec![member(from), member(to)],
        weight,
        layers: Vec::new(),
        qualifiers: Vec::new(),
        valid: Interval { since: None, until: None },
    };
    let source = |from: u32| Source {
        key: format!("n{from}"),
        layers: vec![format!("l{}", from % 3)],
        links: arcs(from).map(|arc| link(from, arc)).collect(),
    };
    (0..NODES).map(source).collect()
}

fn native_sources() -> Vec<native::Source> {
    let member = |node: u32| native::Member { role: "end".to_owned(), target: native::Name::Key(format!("n{node}")) };
    let link = |from: u32, (to, weight): (u32, f64)| native::Link {
        id: id(from, to),
        kind: "t".to_owned(),
        members: vec![member(from), member(to)],
        weight,
        layers: Vec::new(),
        qualifiers: Vec::new(),
        valid: native::Interval::default(),
    };
    let source = |from: u32| native::Source {
        key: format!("n{from}"),
        layers: vec![format!("l{}", from % 3)],
        links: arcs(from).map(|arc| link(from, arc)).collect(),
    };
    (0..NODES).map(source).collect()
}

/// Every centrality, path and set, natively and in WebAssembly.
#[test]
fn the_component_gives_the_native_bits() {
    let (mut graph, mut net) = (instance(), Net::default());
    graph.apply(&sources(), &[]).unwrap();
    net.apply(&native_sources(), &[]).unwrap();
    let layer = ("l1".to_owned(), 0.3, vec!["l2".to_owned()]);
    let always = Interval { since: None, until: None };
    graph
        .define_layers(&[Layer { name: layer.0.clone(), weight: layer.1, inherits: layer.2.clone(), valid: always }])
        .unwrap();
    let always = native::Interval::default();
    net.define_layers(&[native::Layer { name: layer.0, weight: layer.1, inherits: layer.2, valid: always }]).unwrap();
    let view = graph.open(&Selection { direction: Direction::Forward, ..Selection::default() }).unwrap();
    let mut native_view = net.open(native::Selection::default()).unwrap();
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
    for (what, native) in [
        (Centrality::Degree, native::Centrality::Degree),
        (Centrality::Strength, native::Centrality::Strength),
        (Centrality::Closeness, native::Centrality::Closeness),
        (Centrality::Harmonic, native::Centrality::Harmonic),
        (Centrality::Betweenness(None), native::Centrality::Betweenness(None)),
        (Centrality::Eigenvector, native::Centrality::Eigenvector),
        (Centrality::PageRank((0.85, vec![3])), native::Centrality::PageRank(0.85, vec![3])),
    ] {
        let answers = (graph.centrality(&view, &what), net.centrality(&mut native_view, &native));
        let (Ok(wasm), Ok(native)) = answers else { panic!("{what:?}: {answers:?}") };
        assert_eq!(bits(wasm), bits(native), "{what:?}");
    }
    for end in 0..NODES {
        let wasm = graph.path(&view, 0, end, Length::Weight).unwrap();
        let native = net.path(&mut native_view, 0, end, native::Length::Weight).unwrap();
        assert_eq!(
            wasm.map(|path| (path.nodes, path.links, path.cost.to_bits())),
            native.map(|path| (path.nodes, path.links, path.cost.to_bits()))
        );
    }
    assert_eq!(graph.edges(&view).unwrap(), net.edges(&mut native_view));
    let set = [LayerNode::Layer("l1".to_owned())];
    let native_set = [native::LayerNode::Layer("l1".to_owned())];
    assert_eq!(graph.layer_count(&set, None).unwrap(), net.layer_count(&native_set, None).unwrap());
    let overlaps = graph.layer_overlaps(&set, None).unwrap().into_iter();
    let native = net.layer_overlaps(&native_set, None).unwrap().into_iter();
    assert!(
        overlaps.map(|one| (one.layer, one.both, one.either)).eq(native.map(|one| (one.layer, one.both, one.either)))
    );
}

/// What two sets of bits have in common is counted 16 words at a time in the component and word by word natively: alike for sets
/// that end in, before and behind a block, and for those of which one is longer.
#[test]
fn sets_of_every_length_are_counted_alike() {
    let (mut graph, mut net) = (instance(), Net::default());
    let mut state = 9_u64;
    let mut begin = 0;
    for end in [1_000, 1_024, 1_025, 2_047, 2_049, 3_333, 4_096, 4_161, 5_120, 7_000] {
        let layers: Vec<Vec<String>> = (begin..end)
            .map(|record| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let dense = (0..6).filter(|layer| state >> (40 + layer) & 1 == 1).map(|layer| format!("dense-{layer}"));
                let whole = ["all".to_owned()].into_iter().filter(|_| record < 4_096);
                dense.chain(whole).collect()
            })
            .collect();
        let key = |record: usize| format!("r{record:05}");
        let sources = (begin..).zip(layers.clone());
        let sources: Vec<Source> =
            sources.map(|(at, layers)| Source { key: key(at), layers, links: Vec::new() }).collect();
        let natives = (begin..).zip(layers);
        let natives: Vec<native::Source> =
            natives.map(|(at, layers)| native::Source { key: key(at), layers, links: Vec::new() }).collect();
        graph.apply(&sources, &[]).unwrap();
        net.apply(&natives, &[]).unwrap();
        begin = end;
        for name in ["all", "dense-0", "dense-3"] {
            let overlaps = graph.layer_overlaps(&[LayerNode::Layer(name.to_owned())], None).unwrap().into_iter();
            let native = net.layer_overlaps(&[native::LayerNode::Layer(name.to_owned())], None).unwrap().into_iter();
            let native: Vec<(String, u32, u32)> = native.map(|one| (one.layer, one.both, one.either)).collect();
            assert!(native.iter().any(|(_, both, either)| both < either && *both > 100));
            assert_eq!(
                overlaps.map(|one| (one.layer, one.both, one.either)).collect::<Vec<_>>(),
                native,
                "{name} {end}"
            );
        }
    }
}

/// Calls one by one, in a session and in one batch answer alike; a view that was given back is gone, and others are not.
#[test]
fn neighbours_one_by_one_and_together() {
    let mut graph = instance();
    graph.apply(&sources(), &[]).unwrap();
    let view = graph.open(&Selection { direction: Direction::Both, ..Selection::default() }).unwrap();
    let other = graph.open(&Selection { expansion: Expansion::Star, ..Selection::default() }).unwrap();
    let all: Vec<u32> = (0..NODES).collect();
    let one_by_one: Vec<Vec<u32>> = all.iter().map(|&node| graph.neighbours(&view, node).unwrap()).collect();
    let session: Vec<Vec<u32>> =
        graph.session(|session| all.iter().map(|&node| session.neighbours(&view, node)).collect()).unwrap();
    assert_eq!(session, one_by_one);
    let (begins, found) = graph.neighbours_of(&view, &all).unwrap();
    for (node, expected) in one_by_one.iter().enumerate() {
        assert_eq!(&found[begins[node] as usize..begins[node + 1] as usize], expected.as_slice());
    }
    graph.close(other).unwrap();
    assert_eq!(graph.neighbours(&view, 0).unwrap(), one_by_one[0]);
    assert_eq!(graph.describe().unwrap().records, NODES);
}

/// The largest and the strangest that the interface can carry is refused in words; the instance goes on.
#[test]
fn hostile_arguments_are_refused() {
    let mut graph = instance();
    graph.apply(&sources(), &[]).unwrap();
    let view = graph.open(&Selection::default()).unwrap();
    let deep: Vec<LayerNode> = (0..1_024)
        .map(|at| if at == 0 { LayerNode::Layer("l0".to_owned()) } else { LayerNode::All(vec![at - 1; 1_024]) })
        .collect();
    assert_eq!(graph.layer_count(&deep, None).unwrap(), NODES / 3);
    let long = vec![LayerNode::Layer("l0".to_owned()); 100_000];
    assert!(matches!(graph.layer_count(&long, None), Err(GraphError::Malformed(_))));
    let cyclic = [LayerNode::Any(vec![1]), LayerNode::All(vec![0])];
    assert!(matches!(
        graph.open(&Selection { layers: cyclic.to_vec(), ..Selection::default() }),
        Err(GraphError::Malformed(_))
    ));
    let names = [Name::Key("x".repeat(1 << 20)), Name::Link("not hex".to_owned()), Name::Link("ff".repeat(12))];
    assert_eq!(graph.find(&names).unwrap(), [None, None, None]);
    assert_eq!(graph.names(&[u32::MAX]).unwrap(), [Name::Key(String::new())]);
    let all: Vec<u32> = (0..NODES).collect();
    assert_eq!(graph.reach(&view, &all, u32::MAX, u32::MAX).unwrap().len(), NODES as usize);
    assert!(matches!(graph.distances(&view, u32::MAX), Err(GraphError::UnknownNode(u32::MAX))));
    let any = |at: u32| PatternLink {
        types: Vec::new(),
        members: vec![(None, Term::Variable(at)), (None, Term::Variable(at + 1))],
        this: None,
        qualifiers: Vec::new(),
    };
    let endless: Vec<PatternLink> = (0..15).map(any).collect();
    assert!(matches!(graph.find_pattern(&view, &endless, u32::MAX, u32::MAX), Err(GraphError::TooMuch(_))));
    assert!(matches!(graph.centrality(&view, &Centrality::PageRank((f64::NAN, all))), Err(GraphError::OutOfRange(_))));
    // A chain of 100,000 parents: nothing here recurses.
    let parent = |at: u32| Source {
        key: format!("c{at}"),
        layers: Vec::new(),
        links: vec![Link {
            id: id(at, at),
            kind: "parent".to_owned(),
            members: [at, at + 1]
                .map(|node| Member { role: String::new(), target: Target::Key(format!("c{node}")) })
                .to_vec(),
            weight: 1.0,
            layers: Vec::new(),
            qualifiers: Vec::new(),
            valid: Interval { since: None, until: None },
        }],
    };
    let chain: Vec<Source> = (0..100_000).map(parent).collect();
    graph.apply(&chain, &[]).unwrap();
    let start = graph.find(&[Name::Key("c0".to_owned())]).unwrap()[0].unwrap();
    assert_eq!(graph.depth(&view, start).unwrap(), Some(100_000));
    assert!(graph.cycles(&view).unwrap().is_empty());
    assert_eq!(graph.components(&view, true).unwrap().len(), NODES as usize + 100_001);
    assert!(!graph.is_poisoned());
}
