/** A project's records in a tab: a full replica against a hub. See docs/browser.md. */
export { Replica, type Change, type ReplicaOptions } from './replica.js'
export { MemoryStorage } from './storage.js'
export { documentUrl, FIRST, genesis, shardOf, type Epoch, type Slot } from './documents.js'
