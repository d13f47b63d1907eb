//! The hub's core with a map for a store and Automerge documents for clients: what it promises, without a network.

mod compaction;
mod driver;
mod durability;
mod epochs;
mod hostile;
mod limits;
mod looking;
mod serving;
mod waiting;

use driver::World;
