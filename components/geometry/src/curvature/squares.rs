//! What balanced Forman curvature counts of 4-cycles, for all edges at once, so that what edges of a hub have in common is done once.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are nodes and edges below the graph's counts")]

use crate::graph::{Adjacency, Graph};

/// How many neighbours of an end are on a 4-cycle over the edge without diagonals, and the most such cycles through one of them.
pub(super) type Squares = (usize, usize);

/// Looking a node up in a list costs about as much as reading this many.
const LOOK_UP: usize = 8;

/// For each edge what is at its source, and what is at its target. Zeros where an end has no other neighbour.
pub(super) fn squares(graph: &Graph) -> Vec<[Squares; 2]> {
    let mut found = vec![[(0, 0); 2]; graph.edges().len()];
    let nodes = 0..graph.nodes() as u32;
    let second: Vec<usize> =
        nodes.clone().map(|node| graph.of(node).iter().map(|next| graph.degree(*next)).sum()).collect();
    let (mut own, mut others) = (Own::new(graph), Others::new(graph));
    for node in nodes {
        own.mark(node);
        others.mark(node);
        for (&next, &position) in graph.of(node).iter().zip(graph.positions_of(node)) {
            if graph.degree(node).min(graph.degree(next)) <= 1 {
                continue;
            }
            let side = |end: u32| usize::from(graph.edges()[position as usize].target == end);
            if is_wide(graph, &second, node, next) {
                found[position as usize][side(node)] = own.at(next);
            }
            if !is_wide(graph, &second, next, node) {
                found[position as usize][side(next)] = others.at(next);
            }
        }
    }
    found
}

/// Whether `i` has so many neighbours that walking there by two steps from `j` is less work than asking each.
fn is_wide(graph: &Graph, second: &[usize], i: u32, j: u32) -> bool {
    second[j as usize] - graph.degree(i) < graph.degree(i) * LOOK_UP
}

/// Counts at one node `i`, for its neighbours `j`: by walks from `j` over where a 4-cycle can come back to it.
struct Own<'g> {
    graph: &'g Graph,
    i: u32,
    /// The last node that a node is a neighbour of.
    marks: Vec<u32>,
    /// Neighbours of `j` that are not neighbours of `i`: of many leaves of two hubs they are the same.
    returns: Vec<u32>,
    /// Cycles through each neighbour of `i`, over `returns`.
    counts: Vec<u32>,
    touched: Vec<u32>,
    /// How many have each count.
    histogram: Vec<u32>,
}

impl<'g> Own<'g> {
    fn new(graph: &'g Graph) -> Own<'g> {
        let (marks, counts) = (vec![u32::MAX; graph.nodes()], vec![0; graph.nodes()]);
        Own { graph, i: u32::MAX, marks, returns: Vec::new(), counts, touched: Vec::new(), histogram: vec![0] }
    }

    fn mark(&mut self, i: u32) {
        self.i = i;
        self.graph.of(i).iter().for_each(|node| self.marks[*node as usize] = i);
        self.walk(Vec::new());
    }

    fn walk(&mut self, returns: Vec<u32>) {
        self.touched.drain(..).for_each(|node| self.counts[node as usize] = 0);
        self.histogram.clear();
        self.histogram.resize(returns.len() + 1, 0);
        for &back in &returns {
            for &node in self.graph.of(back) {
                if self.marks[node as usize] == self.i {
                    if self.counts[node as usize] == 0 {
                        self.touched.push(node);
                    }
                    self.counts[node as usize] += 1;
                }
            }
        }
        self.touched.iter().for_each(|node| self.histogram[self.counts[*node as usize] as usize] += 1);
        self.returns = returns;
    }

    fn at(&mut self, j: u32) -> Squares {
        let near = self.graph.of(j).iter().copied().filter(|node| *node != self.i);
        let (triangles, returns): (Vec<u32>, Vec<u32>) = near.partition(|node| self.marks[*node as usize] == self.i);
        if returns != self.returns {
            self.walk(returns);
        }
        // What is next to j, and j itself, is on no such cycle.
        let left_out = || triangles.iter().chain([&j]).map(|node| self.counts[*node as usize] as usize);
        let number = self.touched.len() - left_out().filter(|count| *count > 0).count();
        left_out().filter(|count| *count > 0).for_each(|count| self.histogram[count] -= 1);
        let most = (1..self.histogram.len()).rev().find(|count| self.histogram[*count] > 0).unwrap_or(0);
        left_out().filter(|count| *count > 0).for_each(|count| self.histogram[count] += 1);
        (number, most)
    }
}

/// Counts at the neighbours `i` of one node `j`, by what each neighbour of `i` has in common with `j`.
struct Others<'g> {
    graph: &'g Graph,
    j: u32,
    marks: Vec<u32>,
    /// The neighbours that a node has in common with the node beside them.
    common: Vec<(u32, u32)>,
}

impl<'g> Others<'g> {
    fn new(graph: &'g Graph) -> Others<'g> {
        let (marks, common) = (vec![u32::MAX; graph.nodes()], vec![(0, u32::MAX); graph.nodes()]);
        Others { graph, j: u32::MAX, marks, common }
    }

    fn mark(&mut self, j: u32) {
        self.j = j;
        self.graph.of(j).iter().for_each(|node| self.marks[*node as usize] = j);
    }

    fn in_common(&mut self, node: u32) -> usize {
        if self.common[node as usize].1 != self.j {
            let (around, own) = (self.graph.of(node), self.graph.of(self.j));
            let count = if around.len() > own.len() * LOOK_UP {
                own.iter().filter(|next| around.binary_search(next).is_ok()).count()
            } else {
                around.iter().filter(|next| self.marks[**next as usize] == self.j).count()
            };
            self.common[node as usize] = (count as u32, self.j);
        }
        self.common[node as usize].0 as usize
    }

    fn at(&mut self, i: u32) -> Squares {
        let graph = self.graph;
        let (near, j) = (graph.of(i), self.j);
        let triangles: Vec<u32> = near.iter().copied().filter(|node| self.marks[*node as usize] == j).collect();
        let (mut number, mut most) = (0, 0);
        for &node in near {
            if node == j || self.marks[node as usize] == j {
                continue;
            }
            // Besides i, which both are next to, and what would be a diagonal.
            let diagonal = crate::graph::common(graph.of(node), &triangles);
            let count = self.in_common(node) - 1 - diagonal;
            number += usize::from(count > 0);
            most = most.max(count);
        }
        (number, most)
    }
}
