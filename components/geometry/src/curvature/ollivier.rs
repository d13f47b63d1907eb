//! Ollivier and Lin-Lu-Yau curvature of unweighted graphs, exactly.
//!
//! `kappa_a(x, y) = 1 - W1(m_x, m_y)`, where `m_x` leaves the share `a` (the idleness) at `x` and spreads the rest evenly over its
//! neighbours (Ollivier, J. Functional Analysis 256, 2009). Lin, Lu and Yau (Tohoku Math. J. 63, 2011) take the limit of
//! `kappa_a / (1 - a)` as `a` goes to 1. By Bourne, Cushing, Liu, Münch and Peyerimhoff (SIAM J. Discrete Math. 32, 2018, theorems 1.1
//! and 5.3) that quotient is constant from `a = 1 / (D + 1)` on, `D` the larger degree of the two ends. At that idleness the ends have
//! equal mass or nearly so: it is what is computed here for every larger one.
//!
//! Masses times the least common multiple of the degrees are integers. What both measures have at a node stays there, since `W1` is a
//! metric's; what is left has to go 1, 2 or 3 steps. `flow` finds the least cost.

mod columns;
mod flow;

use columns::Columns;
use flow::Flow;

use crate::curvature::ratio::{Ratio, gcd};
use crate::graph::{Adjacency, Graph};

/// The largest denominator of an idleness.
pub const IDLENESS_DENOMINATOR_MAX: u32 = 1_000;

/// The share of mass that stays where it is: a fraction from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idleness {
    numerator: u32,
    denominator: u32,
}

/// An idleness that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the idleness {0}/{1} is not between 0 and 1 with a denominator from 1 to {IDLENESS_DENOMINATOR_MAX}")]
pub struct IdlenessError(u32, u32);

impl Idleness {
    /// One half.
    pub const HALF: Idleness = Idleness { numerator: 1, denominator: 2 };

    /// A fraction.
    ///
    /// # Errors
    /// When it is not between 0 and 1, or its denominator is 0 or above [`IDLENESS_DENOMINATOR_MAX`].
    pub fn new(numerator: u32, denominator: u32) -> Result<Idleness, IdlenessError> {
        if denominator == 0 || denominator > IDLENESS_DENOMINATOR_MAX || numerator > denominator {
            return Err(IdlenessError(numerator, denominator));
        }
        Ok(Idleness { numerator, denominator })
    }

    /// Numerator and denominator, as they were given.
    pub fn parts(self) -> (u32, u32) {
        (self.numerator, self.denominator)
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Ollivier's, with an idleness.
    Ollivier(Idleness),
    /// The limit of Lin, Lu and Yau.
    LinLuYau,
}

/// The curvature of every edge, in the order of the edges.
pub fn transport_curvature(kind: Transport, graph: &Graph) -> Vec<Ratio> {
    let mut curvature = vec![Ratio { numerator: 0, denominator: 1 }; graph.edges().len()];
    let mut solver = Solver::new(kind, graph.nodes());
    for hub in 0..graph.nodes() as u32 {
        let mut turned = false;
        for (&end, &position) in graph.of(hub).iter().zip(graph.positions_of(hub)) {
            if is_hub(graph, hub, end)
                && let Some(place) = curvature.get_mut(position as usize)
            {
                *place = solver.curvature(graph, hub, end, &mut turned);
            }
        }
    }
    curvature
}

/// Whose neighbours are columns: the end with more of them. Then most edges of a hub share the work of laying them out.
pub(crate) fn is_hub(graph: &impl Adjacency, hub: u32, end: u32) -> bool {
    (graph.of(hub).len(), hub) > (graph.of(end).len(), end)
}

/// Computes edges of one graph, best all edges of a hub one after another.
#[derive(Debug)]
pub(crate) struct Solver {
    kind: Transport,
    columns: Columns,
    flow: Flow,
}

/// Integer masses of what has to move from around the end to around the hub.
struct Masses {
    /// At each neighbour of the end alone.
    apart: u64,
    /// At each common neighbour.
    common: u64,
    /// At the hub.
    hub: u64,
    /// Wanted at each neighbour of the hub alone.
    wanted: u64,
    /// Wanted at the end.
    end: u64,
}

impl Solver {
    pub(crate) fn new(kind: Transport, nodes: usize) -> Solver {
        Solver { kind, columns: Columns::new(nodes), flow: Flow::default() }
    }

    /// One edge. `turned` says whether the columns are the hub's already, and is set.
    pub(crate) fn curvature(&mut self, graph: &impl Adjacency, hub: u32, end: u32, turned: &mut bool) -> Ratio {
        let (few, many) = (graph.of(end).len() as u64, graph.of(hub).len() as u64);
        let least = few / gcd(few, many) * many;
        let (idle, whole) = match self.kind {
            Transport::LinLuYau => (0, 1),
            Transport::Ollivier(idleness) => (u64::from(idleness.numerator), u64::from(idleness.denominator)),
        };
        // The limit, or an idleness from which on it differs by a factor only.
        if self.kind == Transport::LinLuYau || idle * (many + 1) >= whole {
            let (apart, wanted) = (least / few, least / many);
            let hub_mass = apart - wanted;
            let masses = Masses { apart, common: hub_mass, hub: hub_mass, wanted, end: 0 };
            let cost = self.cost(graph, hub, end, &masses, turned);
            let limit = (least + wanted).cast_signed() - cost.cast_signed();
            return Ratio::new(limit * (whole - idle).cast_signed(), least * whole);
        }
        // Below it the hub has more than its share, and the end less.
        let (apart, wanted) = ((whole - idle) * (least / few), (whole - idle) * (least / many));
        let stays = idle * least;
        let masses = Masses { apart, common: apart - wanted, hub: apart - stays, wanted, end: wanted - stays };
        let cost = self.cost(graph, hub, end, &masses, turned);
        Ratio::new((whole * least).cast_signed() - cost.cast_signed(), whole * least)
    }

    /// What the hub has is one step from wherever it is wanted: it takes what the others leave, so they alone have to be placed.
    fn cost(&mut self, graph: &impl Adjacency, hub: u32, end: u32, masses: &Masses, turned: &mut bool) -> u64 {
        // Nobody else has anything.
        if graph.of(end).len() == 1 {
            return masses.hub;
        }
        if !*turned {
            self.columns.turn_to(graph, hub);
            *turned = true;
        }
        let Solver { columns, flow, .. } = self;
        columns.make_room();
        flow.begin(columns, masses.wanted, columns.column_of(end), masses.end);
        for &node in graph.of(end) {
            let column = columns.column_of(node);
            if node != hub && column != columns::NONE {
                flow.close(column);
            }
        }
        for &node in graph.of(end) {
            if node != hub {
                let beside = columns.column_of(node) != columns::NONE;
                let mass = if beside { masses.common } else { masses.apart };
                flow.add(columns, columns.slot_of(node), mass, beside);
            }
        }
        masses.hub + flow.cost(columns, graph)
    }
}
