//! The sync service: the hub's core behind WebSockets and HTTP, over a central store.
