//! What nobody announces is found all the same.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use skerry_sync::hub::{Access, Limits};

use super::World;
use super::driver::{Store, any, free};

/// A hub stored a chunk and died before it could tell; its document is in another hub's memory, and open there. The simulator
/// found that the other hub served it without that chunk for as long as it stayed in memory.
#[test]
fn a_chunk_that_nobody_announced_is_found() {
    let store = Rc::new(RefCell::new(Store::default()));
    let limits = Limits { look_again_after: Duration::from_mins(1), ..Limits::default() };
    let mut one = World::on(limits.clone(), Rc::clone(&store), "hub");
    let mut other = World::on(limits, Rc::clone(&store), "hub");
    let reader = other.connect("reader", any(Access::Read));
    other.sync(reader, free(1));
    let writer = one.connect("writer", any(Access::Write));
    for number in 0..3 {
        one.write(writer, free(1), &format!("k{number}"), "v");
    }
    drop(one);
    other.tick(1);
    assert_eq!(other.client(reader).value(free(1), "k0"), None, "nobody told it");
    (0..61).for_each(|_| other.tick(1));
    assert_eq!(other.client(reader).value(free(1), "k2").as_deref(), Some("v"));
}
