//! Layers that inherit from one another. One replica refuses to close a circle; two can each add half of one.

use std::collections::{BTreeMap, BTreeSet};

use super::Layer;

/// The circles of inheritance among layers: for each the names of the layers that inherit, over any number of steps, from one
/// another, in order.
///
/// They are the strongly connected components with more than one layer (Kosaraju's algorithm, Sharir 1981), found without
/// recursion.
pub fn circles<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Vec<Vec<String>> {
    let above: BTreeMap<&str, &BTreeSet<String>> =
        layers.into_iter().map(|layer| (layer.name.as_str(), &layer.inherits)).collect();
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (layer, parents) in &above {
        for parent in *parents {
            below.entry(parent.as_str()).or_default().push(layer);
        }
    }
    let up = |name: &str| -> Vec<&str> {
        above.get(name).into_iter().flat_map(|parents| parents.iter().map(String::as_str)).collect()
    };
    let down = |name: &str| below.get(name).cloned().unwrap_or_default();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for start in above.keys() {
        walk(start, &up, &mut seen, &mut order);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in order.into_iter().rev() {
        let mut component = Vec::new();
        walk(start, &down, &mut seen, &mut component);
        if component.len() > 1 {
            component.sort_unstable();
            found.push(component.into_iter().map(str::to_owned).collect());
        }
    }
    found.sort_unstable();
    found
}

/// The layers without the steps that make circles: layers of one circle do not inherit from one another until somebody opens
/// it. So what is in which layer does not depend on which step is taken to close the circle, and no reader loops.
#[must_use]
pub fn without_circles(layers: Vec<Layer>) -> Vec<Layer> {
    let circles = circles(&layers);
    let of: BTreeMap<&str, usize> = circles
        .iter()
        .enumerate()
        .flat_map(|(index, circle)| circle.iter().map(move |name| (name.as_str(), index)))
        .collect();
    let opened = |mut layer: Layer| {
        let own = of.get(layer.name.as_str());
        layer.inherits.retain(|parent| own.is_none() || own != of.get(parent.as_str()));
        layer
    };
    layers.into_iter().map(opened).collect()
}

/// Adds what can be reached from `start` and was not seen yet, each behind everything reached from it.
fn walk<'a>(
    start: &'a str,
    next: &impl Fn(&str) -> Vec<&'a str>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) {
    if !seen.insert(start) {
        return;
    }
    let mut open = vec![(start, next(start))];
    while let Some((name, rest)) = open.last_mut() {
        match rest.pop() {
            Some(other) if seen.insert(other) => {
                let further = next(other);
                open.push((other, further));
            }
            Some(_) => {}
            None => {
                order.push(name);
                open.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(edges: &[(&str, &str)]) -> Vec<Layer> {
        let mut layers: BTreeMap<&str, Layer> = BTreeMap::new();
        for (layer, parent) in edges {
            let layer = layers.entry(layer).or_insert_with(|| Layer::named(layer));
            layer.inherits.insert((*parent).to_owned());
        }
        layers.into_values().collect()
    }

    /// Each circle once; what hangs on one is not part of it.
    #[test]
    fn circles_are_found() {
        assert!(circles(&layers(&[("a", "b"), ("b", "c"), ("a", "c"), ("d", "absent")])).is_empty());
        let found =
            circles(&layers(&[("a", "b"), ("b", "a"), ("b", "c"), ("x", "y"), ("y", "z"), ("z", "x"), ("z", "a")]));
        assert_eq!(found, [vec!["a", "b"], vec!["x", "y", "z"]]);
        let open = without_circles(layers(&[("a", "b"), ("b", "a"), ("b", "c"), ("z", "a")]));
        assert_eq!(
            open,
            layers(&[("a", "x"), ("b", "c"), ("z", "a")])
                .into_iter()
                .map(|mut layer| {
                    layer.inherits.remove("x");
                    layer
                })
                .collect::<Vec<_>>()
        );
        let chain: Vec<(String, String)> = (0..9_999).map(|n| (format!("{n:05}"), format!("{:05}", n + 1))).collect();
        let chain: Vec<(&str, &str)> = chain.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert!(circles(&layers(&chain)).is_empty());
        let closed: Vec<(&str, &str)> = chain.into_iter().chain([("09999", "00000")]).collect();
        assert_eq!(circles(&layers(&closed))[0].len(), 10_000);
    }
}
