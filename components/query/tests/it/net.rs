//! The graph against networkx (golden values), against plain models (properties), and against nonsense.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;
use skerry_query::net::types::{
    Centrality, Direction, Expansion, GraphError, Interval, Layer, LayerNode, Length, Link, Member, Name, PatternLink,
    Selection, Source, Step, Term,
};
use skerry_query::net::{Net, View};
use skerry_query::types::Scalar;

const NOWHERE: u32 = u32::MAX;

fn key(number: usize) -> String {
    format!("n{number:03}")
}

/// An id that follows from what the link says, as a replica makes them.
fn id(kind: &str, members: &[Name]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in format!("{kind}\0{members:?}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    format!("{hash:016x}{:08x}", hash as u32)
}

fn link(kind: &str, members: &[Name], weight: f64) -> Link {
    Link {
        id: id(kind, members),
        kind: kind.to_owned(),
        members: (0..)
            .zip(members)
            .map(|(at, target)| Member { role: format!("r{at}"), target: target.clone() })
            .collect(),
        weight,
        layers: Vec::new(),
        qualifiers: Vec::new(),
        valid: Interval::default(),
    }
}

fn keys(members: &[usize]) -> Vec<Name> {
    members.iter().map(|&member| Name::Key(key(member))).collect()
}

fn source(number: usize, links: Vec<Link>) -> Source {
    Source { key: key(number), layers: Vec::new(), links }
}

fn open(net: &Net, direction: Direction) -> View {
    net.open(Selection { direction, ..Selection::default() }).unwrap()
}

fn number(net: &mut Net, node: usize) -> u32 {
    net.find(&[Name::Key(key(node))])[0].unwrap()
}

fn numbers(net: &mut Net, nodes: usize) -> Vec<u32> {
    (0..nodes).map(|node| number(net, node)).collect()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/graphs.json")).unwrap()
}

fn graph(nodes: usize, edges: &[(usize, usize, f64)]) -> Net {
    let mut net = Net::default();
    let of = |node: usize| edges.iter().filter(move |edge| edge.0 == node);
    // The last first, so that numbers are in another order than names.
    let sources: Vec<Source> = (0..nodes)
        .rev()
        .map(|node| source(node, of(node).map(|&(from, to, weight)| link("t", &keys(&[from, to]), weight)).collect()))
        .collect();
    net.apply(&sources, &[]).unwrap();
    net
}

fn edges_of(case: &Value) -> Vec<(usize, usize, f64)> {
    let edge = |edge: &Value| {
        (edge[0].as_u64().unwrap() as usize, edge[1].as_u64().unwrap() as usize, edge[2].as_f64().unwrap())
    };
    case["edges"].as_array().unwrap().iter().map(edge).collect()
}

/// networkx and numpy agree with every centrality to 1e-9, and with every distance, cost and component exactly.
#[test]
fn centralities_and_distances_are_those_of_networkx() {
    for case in golden()["graphs"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let nodes = case["nodes"].as_u64().unwrap() as usize;
        let mut net = graph(nodes, &edges_of(case));
        let is_directed = case["directed"].as_bool().unwrap();
        let mut view = open(&net, if is_directed { Direction::Forward } else { Direction::Both });
        let of = numbers(&mut net, nodes);
        let mut check = |what: Centrality, expected: &Value| {
            let values = net.centrality(&mut view, &what).unwrap();
            for (node, expected) in expected.as_array().unwrap().iter().enumerate() {
                let (value, expected) = (values[of[node] as usize], expected.as_f64().unwrap());
                assert!((value - expected).abs() < 1e-9, "{name}: {what:?} of {node} is {value}, not {expected}");
            }
        };
        check(Centrality::Degree, &case["degree"]);
        check(Centrality::Strength, &case["strength"]);
        check(Centrality::Closeness, &case["closeness"]);
        check(Centrality::Harmonic, &case["harmonic"]);
        check(Centrality::Betweenness(None), &case["betweenness"]);
        check(Centrality::Betweenness(Some(nodes as u32)), &case["betweenness"]);
        if !case["eigenvector"].is_null() {
            check(Centrality::Eigenvector, &case["eigenvector"]);
        }
        for ranked in case["page_rank"].as_array().unwrap() {
            let restarts = ranked[1].as_array().unwrap().iter().map(|node| of[node.as_u64().unwrap() as usize]);
            check(Centrality::PageRank(ranked[0].as_f64().unwrap(), restarts.collect()), &ranked[2]);
        }
        for from in case["distances"].as_array().unwrap() {
            let start = from[0].as_u64().unwrap() as usize;
            let distances = net.distances(&mut view, of[start]).unwrap();
            for (node, expected) in from[1].as_array().unwrap().iter().enumerate() {
                let expected = expected.as_u64().map_or(NOWHERE, |distance| distance as u32);
                assert_eq!(distances[of[node] as usize], expected, "{name}: from {start} to {node}");
                let path = net.path(&mut view, of[start], of[node], Length::Hops).unwrap();
                assert_eq!(path.map_or(NOWHERE, |path| path.links.len() as u32), expected);
            }
        }
        for from in case["costs"].as_array().unwrap() {
            let start = from[0].as_u64().unwrap() as usize;
            for (node, expected) in from[1].as_array().unwrap().iter().enumerate() {
                let path = net.path(&mut view, of[start], of[node], Length::Weight).unwrap();
                assert_eq!(path.map(|path| path.cost), expected.as_f64(), "{name}: from {start} to {node}");
            }
        }
        let found = net.components(&mut view, is_directed);
        for (at, component) in case["components"].as_array().unwrap().iter().enumerate() {
            for node in component.as_array().unwrap() {
                assert_eq!(found[of[node.as_u64().unwrap() as usize] as usize], at as u32, "{name}");
            }
        }
    }
}

/// Roots, depths and lowest common ancestors in a hierarchy with several parents, against networkx.
#[test]
fn a_hierarchy_is_that_of_networkx() {
    let golden = &golden()["hierarchy"];
    let nodes = golden["nodes"].as_u64().unwrap() as usize;
    let mut net = Net::default();
    let edge = |edge: &Value| (edge[0].as_u64().unwrap() as usize, edge[1].as_u64().unwrap() as usize);
    let edges: Vec<(usize, usize)> = golden["edges"].as_array().unwrap().iter().map(edge).collect();
    let links = |node: usize| edges.iter().filter(move |edge| edge.0 == node);
    let sources: Vec<Source> = (0..nodes)
        .map(|node| {
            source(node, links(node).map(|&(child, parent)| link("parent", &keys(&[child, parent]), 1.0)).collect())
        })
        .collect();
    net.apply(&sources, &[]).unwrap();
    let mut view = open(&net, Direction::Both);
    let of = numbers(&mut net, nodes);
    let list = |value: &Value| -> Vec<u32> {
        value.as_array().unwrap().iter().map(|node| of[node.as_u64().unwrap() as usize]).collect()
    };
    assert_eq!(net.roots(&mut view), list(&golden["roots"]));
    assert_eq!(net.cycles(&mut view), [[0; 0]; 0]);
    for (node, depth) in golden["depth"].as_array().unwrap().iter().enumerate() {
        assert_eq!(net.depth(&mut view, of[node]).unwrap(), Some(depth.as_u64().unwrap() as u32));
    }
    for case in golden["lca"].as_array().unwrap() {
        assert_eq!(net.lowest_common_ancestors(&mut view, &list(&case[0])).unwrap(), list(&case[1]), "{case}");
    }
}

/// A circle of parents is reported, its nodes are common ancestors of one another, and what hangs below has no depth.
#[test]
fn circles_of_parents_are_reported() {
    let mut net = Net::default();
    let parent = |child: usize, parent: usize| source(child, vec![link("parent", &keys(&[child, parent]), 1.0)]);
    net.apply(&[parent(0, 1), parent(1, 2), parent(2, 1), parent(3, 3), parent(4, 5)], &[]).unwrap();
    let mut view = open(&net, Direction::Forward);
    let of = numbers(&mut net, 6);
    assert_eq!(net.cycles(&mut view), [vec![of[1], of[2]], vec![of[3]]]);
    assert_eq!(net.depth(&mut view, of[0]).unwrap(), None);
    assert_eq!(net.depth(&mut view, of[4]).unwrap(), Some(1));
    assert_eq!(net.roots(&mut view), [of[5]]);
    assert_eq!(net.lowest_common_ancestors(&mut view, &[of[0], of[2]]).unwrap(), [of[1], of[2]]);
    assert_eq!(net.lowest_common_ancestors(&mut view, &[of[0], of[4]]).unwrap(), [0; 0]);
    assert_eq!(net.dangling(0, 10), [(of[5], 1)]);
    assert_eq!(net.find(&[Name::Key("nobody".into())]), [None]);
}

/// Every way of looking at a graph, as text: equal text is equal bits.
fn everything(net: &mut Net) -> Vec<String> {
    let mut said = Vec::new();
    for (direction, expansion) in [
        (Direction::Forward, Expansion::Clique),
        (Direction::Backward, Expansion::Star),
        (Direction::Both, Expansion::Clique),
    ] {
        let mut view = net.open(Selection { direction, expansion, ..Selection::default() }).unwrap();
        let count = net.centrality(&mut view, &Centrality::Degree).unwrap().len() as u32;
        let all: Vec<u32> = (0..count).collect();
        let names = net.names(&all);
        let name = |node: u32| format!("{:?}", names[node as usize]);
        for what in [
            Centrality::Degree,
            Centrality::Strength,
            Centrality::Closeness,
            Centrality::Harmonic,
            Centrality::Betweenness(None),
            Centrality::Betweenness(Some(3)),
            Centrality::PageRank(0.85, Vec::new()),
        ] {
            let values = net.centrality(&mut view, &what).unwrap();
            // What is not there any more has a number, and the value 0.
            let values = all.iter().filter(|&&node| values[node as usize] != 0.0);
            let values = net
                .centrality(&mut view, &what)
                .map(|all| values.map(|&node| (name(node), all[node as usize])).collect());
            let values: BTreeMap<String, f64> = values.unwrap();
            said.push(format!("{what:?} {values:?}"));
        }
        let found: BTreeMap<String, u32> = (0..)
            .zip(net.components(&mut view, true))
            .filter(|(_, found)| *found != NOWHERE)
            .map(|(node, found)| (name(node), found))
            .collect();
        said.push(format!("{found:?}"));
        let edges: Vec<String> = net
            .edges(&mut view)
            .into_iter()
            .map(|(a, b, weight)| format!("{} {} {weight:?}", name(a), name(b)))
            .collect();
        said.push(format!("{edges:?}"));
        let starts: Vec<u32> = net.find(&[Name::Key(key(0)), Name::Key(key(1))]).into_iter().flatten().collect();
        let reached = net.reach(&mut view, &starts, 3, 1_000).unwrap().into_iter();
        let reached: Vec<String> =
            reached.map(|one| format!("{} {} {:?}", name(one.node), one.distance, one.before.map(name))).collect();
        said.push(format!("{reached:?}"));
        for &start in &starts {
            for length in [Length::Hops, Length::Weight] {
                for end in (0..8).filter_map(|end| net.find(&[Name::Key(key(end))])[0]).collect::<Vec<_>>() {
                    let path = net.path(&mut view, start, end, length).unwrap();
                    said.push(format!(
                        "{:?}",
                        path.map(|path| (path.nodes.into_iter().map(name).collect::<Vec<_>>(), path.links, path.cost))
                    ));
                }
            }
            let ends = net
                .metapath(
                    &mut view,
                    start,
                    &[Step { types: vec![], direction }, Step { types: vec![], direction: Direction::Both }],
                )
                .unwrap();
            said.push(format!("{:?}", ends.into_iter().map(|(node, count)| (name(node), count)).collect::<Vec<_>>()));
        }
        let pattern = |a, b| PatternLink {
            members: vec![(None, Term::Variable(a)), (None, Term::Variable(b))],
            ..PatternLink::default()
        };
        let rows = net.find_pattern(&mut view, &[pattern(0, 1), pattern(1, 2)], 0, 10_000).unwrap();
        said.push(format!(
            "{:?}",
            rows.rows.into_iter().map(|row| row.into_iter().map(name).collect::<Vec<_>>()).collect::<Vec<_>>()
        ));
    }
    said.push(format!("{:?}", net.layer_sizes()));
    let dangling = net.dangling(0, 100);
    let names = net.names(&dangling.iter().map(|one| one.0).collect::<Vec<_>>());
    said.push(format!("{names:?} {:?}", dangling.iter().map(|one| one.1).collect::<Vec<_>>()));
    let sizes = net.describe();
    said.push(format!("{:?}", (sizes.records, sizes.links, sizes.members, sizes.dangling, sizes.layers)));
    said
}

fn sources() -> impl Strategy<Value = Source> {
    let member = prop_oneof![
        8 => (0_usize..8).prop_map(|node| Name::Key(key(node))),
        // Links over links: those of type `t` between small keys are often there.
        1 => (0_usize..3, 0_usize..3).prop_map(|(a, b)| Name::Link(id("t", &keys(&[a, b])))),
    ];
    let layers =
        || proptest::collection::vec(proptest::sample::select(&["a", "b", "c"][..]).prop_map(str::to_owned), 0..3);
    let members =
        prop_oneof![4 => proptest::collection::vec(member.clone(), 2), 1 => proptest::collection::vec(member, 1..5)];
    let link =
        (proptest::sample::select(&["t", "u", "parent"][..]), members, 0_u8..12, layers(), 0_i64..6, any::<bool>())
            .prop_map(|(kind, members, weight, layers, since, is_always)| {
                let valid = if is_always {
                    Interval::default()
                } else {
                    Interval { since: Some(since), until: Some(since + 3) }
                };
                // Tenths do not add up exactly, so that the order of a sum shows.
                Link { layers, valid, ..link(kind, &members, f64::from(weight) / 10.0) }
            });
    (0_usize..8, layers(), proptest::collection::vec(link, 0..5))
        .prop_map(|(node, layers, links)| Source { layers, ..source(node, links) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// What is answered depends only on what is held: after detours, in another order, by way of a view that was open all the
    /// time. Floats bit for bit.
    #[test]
    fn only_what_is_held_counts(steps in proptest::collection::vec(proptest::collection::vec(sources(), 1..4), 1..8), removed in proptest::collection::vec(0_usize..8, 0..4)) {
        let layers = [Layer { name: "a".into(), weight: 0.3, inherits: vec!["b".into()], valid: Interval::default() }];
        let (mut net, mut held) = (Net::default(), BTreeMap::new());
        let mut view = net.open(Selection::default()).unwrap();
        for step in &steps {
            net.apply(step, &[]).unwrap();
            net.centrality(&mut view, &Centrality::Degree).unwrap();
            held.extend(step.iter().map(|source| (source.key.clone(), source.clone())));
        }
        net.define_layers(&layers).unwrap();
        let removed: Vec<String> = removed.into_iter().map(key).collect();
        net.apply(&[], &removed).unwrap();
        removed.iter().for_each(|key| drop(held.remove(key)));
        let mut fresh = Net::default();
        fresh.define_layers(&layers).unwrap();
        for source in held.values().rev() {
            fresh.apply(std::slice::from_ref(source), &[]).unwrap();
        }
        prop_assert_eq!(everything(&mut net), everything(&mut fresh));
        let one_view = net.centrality(&mut view, &Centrality::Strength).unwrap();
        let mut other = net.open(Selection::default()).unwrap();
        prop_assert_eq!(one_view, net.centrality(&mut other, &Centrality::Strength).unwrap());
    }

    /// Neighbours, distances and patterns are those of their definitions, looked up one by one or laid out.
    #[test]
    fn walks_are_those_of_a_plain_model(sources in proptest::collection::vec(sources(), 1..8), direction in 0_usize..3, at in proptest::option::of(0_i64..8)) {
        let direction = [Direction::Forward, Direction::Backward, Direction::Both][direction];
        let mut net = Net::default();
        net.apply(&sources, &[]).unwrap();
        let mut view = net.open(Selection { direction, at, ..Selection::default() }).unwrap();
        let held: BTreeMap<&str, &Source> = sources.iter().map(|source| (source.key.as_str(), source)).collect();
        let is_valid = |link: &&Link| at.is_none_or(|at| link.valid.since.is_none_or(|since| since <= at) && link.valid.until.is_none_or(|until| at < until));
        // Of equal links of one record the last counts.
        let links: Vec<&Link> = held.values().flat_map(|source| source.links.iter().map(|link| (&link.id, link)).collect::<BTreeMap<_, _>>().into_values()).filter(is_valid).collect();
        let mut arcs: BTreeSet<(Name, Name)> = BTreeSet::new();
        for link in links {
            let members: Vec<&Name> = link.members.iter().map(|member| &member.target).collect();
            match members.as_slice() {
                [a, b] => {
                    if direction != Direction::Backward { arcs.insert(((*a).clone(), (*b).clone())); }
                    if direction != Direction::Forward { arcs.insert(((*b).clone(), (*a).clone())); }
                }
                all => for a in all { for b in all { if a != b { arcs.insert(((*a).clone(), (*b).clone())); } } },
            }
        }
        let mut nodes: BTreeSet<Name> = arcs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        nodes.extend(held.keys().map(|key| Name::Key((*key).to_owned())));
        for is_laid_out in [false, true] {
            if is_laid_out {
                net.components(&mut view, false);
            }
            for name in &nodes {
                let node = net.find(std::slice::from_ref(name))[0].unwrap();
                let found = net.neighbours(&mut view, node);
                prop_assert!(found.is_sorted());
                let found: BTreeSet<Name> = net.names(&found).into_iter().collect();
                let expected: BTreeSet<Name> = arcs.iter().filter(|(from, _)| from == name).map(|(_, to)| to.clone()).collect();
                prop_assert_eq!(found, expected);
            }
        }
        let start = nodes.iter().next().unwrap();
        let mut distance: BTreeMap<Name, u32> = BTreeMap::from([(start.clone(), 0)]);
        for step in 0..nodes.len() as u32 {
            for (from, to) in &arcs {
                if distance.get(from) == Some(&step) {
                    distance.entry(to.clone()).or_insert(step + 1);
                }
            }
        }
        let number = net.find(std::slice::from_ref(start))[0].unwrap();
        let distances = net.distances(&mut view, number).unwrap();
        let reached: BTreeMap<Name, u32> = net.reach(&mut view, &[number], NOWHERE, NOWHERE).unwrap().into_iter().map(|one| (net.names(&[one.node])[0].clone(), one.distance)).collect();
        prop_assert_eq!(&reached, &distance);
        for (name, steps) in distance {
            prop_assert_eq!(distances[net.find(&[name])[0].unwrap() as usize], steps);
        }
    }

    /// A pattern's rows are all assignments of nodes to variables that every link of it allows: tried one by one.
    #[test]
    fn patterns_match_as_by_brute_force(sources in proptest::collection::vec(sources(), 1..6), shape in proptest::collection::vec((0_u32..3, 0_u32..3, proptest::option::of(0_usize..3), any::<bool>()), 1..4)) {
        let mut net = Net::default();
        net.apply(&sources, &[]).unwrap();
        let mut view = open(&net, Direction::Both);
        let held: BTreeMap<&str, &Source> = sources.iter().map(|source| (source.key.as_str(), source)).collect();
        let links: Vec<&Link> = held.values().flat_map(|source| &source.links).collect();
        let kinds: BTreeSet<&str> = links.iter().map(|link| link.kind.as_str()).collect();
        let pattern: Vec<PatternLink> = shape.iter().map(|&(a, b, role, is_typed)| PatternLink {
            types: if is_typed && kinds.contains("t") { vec!["t".into()] } else { vec![] },
            members: vec![(role.map(|role| format!("r{role}")), Term::Variable(a)), (None, Term::Variable(b))],
            ..PatternLink::default()
        }).collect();
        let used: BTreeSet<u32> = shape.iter().flat_map(|&(a, b, ..)| [a, b]).collect();
        let variables = used.len();
        let answer = net.find_pattern(&mut view, &pattern, 0, 100_000);
        if !(0..variables as u32).eq(used.iter().copied()) {
            prop_assert!(matches!(answer, Err(GraphError::Malformed(_))));
            return Ok(());
        }
        let nodes: Vec<Name> = links.iter().flat_map(|link| link.members.iter().map(|member| member.target.clone())).collect::<BTreeSet<_>>().into_iter().collect();
        let mut expected: Vec<Vec<Name>> = Vec::new();
        for choice in 0..nodes.len().pow(variables as u32) {
            let value = |variable: u32| &nodes[choice / nodes.len().pow(variable) % nodes.len()];
            let fits = |wanted: &PatternLink| links.iter().any(|link| {
                let [(role, Term::Variable(a)), (_, Term::Variable(b))] = wanted.members.as_slice() else { return false };
                let is_typed = wanted.types.is_empty() || wanted.types.contains(&link.kind);
                is_typed && (0..link.members.len()).any(|i| (0..link.members.len()).any(|j| i != j
                    && link.members[i].target == *value(*a) && link.members[j].target == *value(*b)
                    && role.as_ref().is_none_or(|role| *role == link.members[i].role)))
            });
            if pattern.iter().all(fits) {
                expected.push((0..variables as u32).map(|variable| value(variable).clone()).collect());
            }
        }
        expected.sort();
        let rows: Vec<Vec<Name>> = answer.unwrap().rows.iter().map(|row| net.names(row)).collect();
        prop_assert_eq!(rows, expected);
    }

    /// Sets of layers' contents are those of plain sets, inheritance and valid time included.
    #[test]
    fn layers_are_sets(records in proptest::collection::btree_map(0_usize..40, proptest::collection::btree_set(0_u8..5, 0..4), 0..40), inherits in proptest::collection::vec((1_u8..5, 0_u8..4), 0..5), nodes in proptest::collection::vec((0_u8..5, 0_u8..5, any::<(u32, u32)>()), 1..9), at in proptest::option::of(0_i64..4)) {
        let name = |layer: u8| format!("l{layer}");
        let mut net = Net::default();
        let sources: Vec<Source> = records.iter().map(|(node, layers)| Source { layers: layers.iter().map(|&layer| name(layer)).collect(), ..source(*node, vec![]) }).collect();
        net.apply(&sources, &[]).unwrap();
        // A layer inherits from smaller ones only: no circles. Each is valid from its number on.
        let above: BTreeMap<u8, BTreeSet<u8>> = (0..5).map(|layer| (layer, inherits.iter().filter(|(heir, from)| *heir == layer && from < heir).map(|(_, from)| *from).collect())).collect();
        let layers: Vec<Layer> = above.iter().map(|(layer, from)| Layer { name: name(*layer), weight: 1.0, inherits: from.iter().map(|&from| name(from)).collect(), valid: Interval { since: Some(i64::from(*layer)), until: None } }).collect();
        net.define_layers(&layers).unwrap();
        let mut content: BTreeMap<u8, BTreeSet<usize>> = BTreeMap::new();
        for layer in 0..5 {
            let is_valid = at.is_none_or(|at| at >= i64::from(layer));
            let own = records.iter().filter(|(_, layers)| layers.contains(&layer)).map(|(node, _)| *node);
            let inherited = above[&layer].iter().flat_map(|from| content[from].clone());
            content.insert(layer, if is_valid { own.chain(inherited).collect() } else { BTreeSet::new() });
        }
        let (mut set, mut model): (Vec<LayerNode>, Vec<BTreeSet<usize>>) = (Vec::new(), Vec::new());
        for (kind, layer, (a, b)) in nodes {
            let count = set.len() as u32;
            let (a, b) = if count == 0 { (0, 0) } else { (a % count, b % count) };
            let (x, y) = if count == 0 { Default::default() } else { (model[a as usize].clone(), model[b as usize].clone()) };
            let (node, value) = match (kind, count) {
                (1, 1..) => (LayerNode::All(vec![a, b]), &x & &y),
                (2, 1..) => (LayerNode::Any(vec![a, b]), &x | &y),
                (3, 1..) => (LayerNode::AtLeast(2, vec![a, b, b]), y),
                (4, 1..) => (LayerNode::Without(a, b), &x - &y),
                _ => (LayerNode::Layer(name(layer)), content[&layer].clone()),
            };
            set.push(node);
            model.push(value);
        }
        let expected = model.pop().unwrap();
        let found = net.layer_records(&set, at, 0, 1_000).unwrap();
        let names = net.names(&found);
        prop_assert_eq!(names, expected.iter().map(|&node| Name::Key(key(node))).collect::<Vec<_>>());
        prop_assert_eq!(net.layer_count(&set, at).unwrap() as usize, expected.len());
        for (layer, overlap) in (0..).zip(net.layer_overlaps(&set, at).unwrap()) {
            prop_assert_eq!(overlap.layer, name(layer));
            prop_assert_eq!(overlap.both as usize, (&expected & &content[&layer]).len());
            prop_assert_eq!(overlap.either as usize, (&expected | &content[&layer]).len());
        }
    }
}

/// A link of three members is a triangle, or a star with the link in its middle; a link over a link is reached through it.
#[test]
fn hyperedges_and_links_over_links() {
    let mut net = Net::default();
    let meeting = link("meeting", &keys(&[0, 1, 2]), 2.0);
    let about = link("about", &[Name::Key(key(3)), Name::Link(meeting.id.clone())], 1.0);
    net.apply(&[source(0, vec![meeting.clone()]), source(3, vec![about.clone()])], &[]).unwrap();
    let of = numbers(&mut net, 4);
    let node = net.find(&[Name::Link(meeting.id.clone())])[0].unwrap();
    let mut clique = open(&net, Direction::Both);
    assert_eq!(net.neighbours(&mut clique, of[0]).len(), 2);
    assert_eq!(net.neighbours(&mut clique, of[3]), [node]);
    assert_eq!(
        net.path(&mut clique, of[3], of[0], Length::Hops).unwrap(),
        None,
        "a clique does not lead through a link"
    );
    let mut star =
        net.open(Selection { direction: Direction::Both, expansion: Expansion::Star, ..Selection::default() }).unwrap();
    assert_eq!(net.neighbours(&mut star, of[0]), [node]);
    let path = net.path(&mut star, of[3], of[0], Length::Weight).unwrap().unwrap();
    assert_eq!(path.links, [about.id.clone(), about.id.clone(), meeting.id.clone()]);
    assert!((path.cost - 4.0).abs() < 1e-12);
    let incidents = net.incidence(&mut star, node).unwrap();
    assert_eq!(
        (incidents.len(), incidents[0].id.as_str(), incidents[0].roles.as_slice()),
        (1, about.id.as_str(), &["r1".to_owned()][..])
    );
    // A pattern over both: who says something about what with whom.
    let pattern = [
        PatternLink {
            types: vec!["about".into()],
            members: vec![(Some("r0".into()), Term::Variable(0)), (Some("r1".into()), Term::Variable(1))],
            ..PatternLink::default()
        },
        PatternLink {
            members: vec![(Some("r2".into()), Term::Variable(2))],
            this: Some(Term::Variable(1)),
            ..PatternLink::default()
        },
    ];
    let rows = net.find_pattern(&mut star, &pattern, 0, 10).unwrap();
    assert_eq!((rows.rows, rows.complete), (vec![vec![of[3], node, of[2]]], true));
    net.apply(&[], &[key(0)]).unwrap();
    let dangling = net.dangling(0, 10);
    assert_eq!(
        dangling,
        [(node, 1)],
        "the link that is spoken about is gone; the records 1 and 2 nobody names any more"
    );
}

/// The weights of layers multiply those of links; a selection counts only the layers that it names.
#[test]
fn layers_weigh() {
    let mut net = Net::default();
    let within = |layers: &[&str], to: usize| Link {
        layers: layers.iter().map(|&layer| layer.to_owned()).collect(),
        ..link("t", &keys(&[0, to]), 8.0)
    };
    net.apply(&[source(0, vec![within(&[], 1), within(&["half"], 2), within(&["half", "quarter"], 3)])], &[]).unwrap();
    let layer = |name: &str, weight: f64, inherits: &[&str]| Layer {
        name: name.into(),
        weight,
        inherits: inherits.iter().map(|&from| from.to_owned()).collect(),
        valid: Interval::default(),
    };
    net.define_layers(&[layer("half", 0.5, &[]), layer("quarter", 0.25, &[]), layer("heir", 2.0, &["half"])]).unwrap();
    let strength = |net: &mut Net, layers: Vec<LayerNode>| {
        let mut view = net.open(Selection { layers, ..Selection::default() }).unwrap();
        let of = number(net, 0);
        net.centrality(&mut view, &Centrality::Strength).unwrap()[of as usize]
    };
    let only = |name: &str| vec![LayerNode::Layer(name.into())];
    assert_eq!(strength(&mut net, vec![]).to_bits(), (8.0_f64 + 4.0 + 1.0).to_bits());
    assert_eq!(strength(&mut net, only("half")).to_bits(), (4.0_f64 + 4.0).to_bits());
    assert_eq!(strength(&mut net, only("heir")).to_bits(), (16.0_f64 + 16.0).to_bits());
    let mut both = only("half");
    both.extend([LayerNode::Layer("quarter".into()), LayerNode::All(vec![0, 1])]);
    assert_eq!(strength(&mut net, both).to_bits(), 1.0_f64.to_bits());
    assert_eq!(net.layer_sizes(), [("half".into(), 0, 2), ("heir".into(), 0, 2), ("quarter".into(), 0, 1)]);
    let circle = [layer("x", 1.0, &["z"]), layer("y", 1.0, &["x"]), layer("z", 1.0, &["y"]), layer("w", 1.0, &["y"])];
    let error = net.define_layers(&circle).unwrap_err();
    assert_eq!(error, GraphError::CircularLayers(vec!["x".into(), "z".into(), "y".into()]));
    assert_eq!(net.layer_sizes().len(), 3, "nothing was changed");
}

/// Whatever is wrong is named, nothing is changed, and nothing panics.
#[test]
fn nonsense_is_refused() {
    let mut net = graph(3, &[(0, 1, -1.0), (1, 2, 1.0)]);
    let before = everything_but_paths(&mut net);
    let mut wrong = link("t", &keys(&[0, 1]), 1.0);
    wrong.id = "x".into();
    for broken in [
        wrong,
        Link { members: vec![], ..link("t", &keys(&[0, 1]), 1.0) },
        link("t", &keys(&[0; 65]), 1.0),
        link("t", &keys(&[0, 1]), f64::NAN),
        link("", &keys(&[0, 1]), 1.0),
        link("t", &[Name::Link("zz".into())], 1.0),
        Link { valid: Interval { since: Some(1), until: Some(1) }, ..link("t", &keys(&[0, 1]), 1.0) },
    ] {
        let batch = [source(7, vec![]), source(0, vec![broken])];
        assert!(matches!(net.apply(&batch, &[key(1)]), Err(GraphError::Malformed(_))));
    }
    assert_eq!(everything_but_paths(&mut net), before);
    let mut view = open(&net, Direction::Forward);
    let of = numbers(&mut net, 3);
    assert!(matches!(net.path(&mut view, of[0], of[2], Length::Weight), Err(GraphError::OutOfRange(_))));
    assert!(matches!(net.path(&mut view, of[0], of[2], Length::Reciprocal), Err(GraphError::OutOfRange(_))));
    assert_eq!(net.path(&mut view, 99, of[2], Length::Hops), Err(GraphError::UnknownNode(99)));
    assert_eq!(net.distances(&mut view, NOWHERE), Err(GraphError::UnknownNode(NOWHERE)));
    assert_eq!(net.neighbours(&mut view, NOWHERE), [0; 0]);
    assert!(matches!(net.reach(&mut view, &of, 1, 0), Err(GraphError::OutOfRange(_))));
    for damping in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(
            net.centrality(&mut view, &Centrality::PageRank(damping, vec![])),
            Err(GraphError::OutOfRange(_))
        ));
    }
    assert!(matches!(
        net.centrality(&mut view, &Centrality::PageRank(0.5, vec![77])),
        Err(GraphError::UnknownNode(77))
    ));
    assert!(matches!(net.centrality(&mut view, &Centrality::Betweenness(Some(0))), Err(GraphError::OutOfRange(_))));
    assert!(net.lowest_common_ancestors(&mut view, &[]).is_err());
    let unknown = net.open(Selection { types: vec!["tt".into()], ..Selection::default() }).unwrap_err();
    assert_eq!(unknown, GraphError::UnknownType("tt".into(), Some("t".into())));
    let layers = |nodes: Vec<LayerNode>| net.layer_count(&nodes, None);
    assert_eq!(layers(vec![LayerNode::Layer("x".into())]), Err(GraphError::UnknownLayer("x".into(), None)));
    for nodes in [
        vec![],
        vec![LayerNode::All(vec![])],
        vec![LayerNode::Any(vec![0])],
        vec![LayerNode::AtLeast(0, vec![0])],
        vec![LayerNode::Without(0, NOWHERE)],
    ] {
        assert!(matches!(layers(nodes), Err(GraphError::Malformed(_))));
    }
    let variable = |variable| PatternLink { members: vec![(None, Term::Variable(variable))], ..PatternLink::default() };
    for pattern in [vec![], vec![variable(16)], vec![variable(1)], vec![variable(0); 17]] {
        assert!(matches!(net.find_pattern(&mut view, &pattern, 0, 1), Err(GraphError::Malformed(_))));
    }
    let lonely = PatternLink { members: vec![(Some("nobody".into()), Term::Variable(0))], ..PatternLink::default() };
    assert_eq!(net.find_pattern(&mut view, &[lonely], 0, 1).unwrap().rows, [[0; 0]; 0]);
    let steps = vec![Step { types: vec![], direction: Direction::Both }; 33];
    assert!(matches!(net.metapath(&mut view, of[0], &steps), Err(GraphError::Malformed(_))));
}

fn everything_but_paths(net: &mut Net) -> String {
    let mut view = open(net, Direction::Both);
    format!(
        "{:?} {:?} {:?}",
        net.describe().records,
        net.edges(&mut view),
        net.centrality(&mut view, &Centrality::Degree)
    )
}

/// A pattern that would run away, a metapath that doubles at every step: an end is put to the first, the second counts as far as
/// its numbers go.
#[test]
fn work_is_bounded() {
    let edges: Vec<(usize, usize, f64)> =
        (0..60).flat_map(|from| (0..60).filter(move |to| *to != from).map(move |to| (from, to, 1.0))).collect();
    let mut net = graph(60, &edges);
    let mut view = open(&net, Direction::Both);
    let between = |a, b| PatternLink {
        members: vec![(None, Term::Variable(a)), (None, Term::Variable(b))],
        ..PatternLink::default()
    };
    let chain: Vec<PatternLink> = (0..8).map(|at| between(at, at + 1)).collect();
    assert!(matches!(net.find_pattern(&mut view, &chain, 0, 10), Err(GraphError::TooMuch(_))));
    let of = number(&mut net, 0);
    let steps = vec![Step { types: vec!["t".into()], direction: Direction::Both }; 32];
    let ends = net.metapath(&mut view, of, &steps).unwrap();
    assert_eq!((ends.len(), ends[0].1), (60, u64::MAX));
}

/// Of equal paths the least by names, of parallel links the least by id; arcs of length 0 make no circle.
#[test]
fn ties_go_by_names() {
    let mut net = graph(6, &[(0, 4, 1.0), (0, 2, 1.0), (4, 5, 1.0), (2, 5, 1.0), (2, 3, 0.0), (3, 2, 0.0)]);
    let mut view = open(&net, Direction::Forward);
    let of = numbers(&mut net, 6);
    for length in [Length::Hops, Length::Weight] {
        let path = net.path(&mut view, of[0], of[5], length).unwrap().unwrap();
        assert_eq!((path.nodes.as_slice(), path.cost.to_bits()), (&[of[0], of[2], of[5]][..], 2.0_f64.to_bits()));
    }
    let reached = net.reach(&mut view, &[of[0]], 2, 100).unwrap();
    let nodes: Vec<u32> = reached.iter().map(|one| one.node).collect();
    assert_eq!(nodes, [of[0], of[2], of[4], of[3], of[5]]);
    assert_eq!(reached[4].before, Some(of[2]));
    assert_eq!(net.path(&mut view, of[1], of[1], Length::Weight).unwrap().unwrap().nodes, [of[1]]);
}

/// A link that several records state is one, as its least record states it; qualifiers can be asked for.
#[test]
fn a_link_that_several_state_is_one() {
    let mut net = Net::default();
    let stated = |weight, source: &str| Link {
        qualifiers: vec![("source".into(), Scalar::Text(source.into()))],
        ..link("t", &keys(&[0, 1]), weight)
    };
    net.apply(&[source(1, vec![stated(5.0, "b")]), source(0, vec![stated(3.0, "a")])], &[]).unwrap();
    let mut view = open(&net, Direction::Forward);
    let of = numbers(&mut net, 2);
    assert_eq!(net.describe().links, 1);
    let incidents = net.incidence(&mut view, of[0]).unwrap();
    assert_eq!((incidents.len(), incidents[0].weight.to_bits()), (1, 3.0_f64.to_bits()));
    let wanted = |value: &str| PatternLink {
        members: vec![(None, Term::Variable(0))],
        qualifiers: vec![("source".into(), Scalar::Text(value.into()))],
        ..PatternLink::default()
    };
    assert_eq!(net.find_pattern(&mut view, &[wanted("a")], 0, 9).unwrap().rows.len(), 2);
    assert_eq!(net.find_pattern(&mut view, &[wanted("b")], 0, 9).unwrap().rows.len(), 0);
    net.apply(&[], &[key(0)]).unwrap();
    assert_eq!(net.incidence(&mut view, of[0]).unwrap()[0].weight.to_bits(), 5.0_f64.to_bits());
    assert_eq!(net.dangling(0, 9), [(of[0], 1)]);
}
