/**
 * Skerry in JavaScript: the components that the node runs, in a browser tab or in Node.
 *
 * @example
 * const snapshot = await Snapshot.open('cwe.wasm')
 * const { hits } = await snapshot.query({ text: 'memory is used after it was freed', k: 3 })
 */
export { SkerryError, type ErrorKind } from './error.js'
export { Embedder, hasRelaxedSimd, openEmbedder, type EmbedderSources, type Embedding, type Model, type Span } from './embedder.js'
export { Segment, type Document, type Excerpt, type Parsed, type Request, type Response, type Stats } from './segment.js'
export { Snapshot, type SnapshotOptions } from './snapshot.js'
export { readSnapshotFile, requireSigner, type Manifest, type SnapshotFile } from './snapshot-file.js'
export { openGeometry, type Geometry } from './geometry.js'
export { fieldsOf, type Json, type Link, type Member, type SkerryRecord } from './record.js'
export type { Answer, Hit, Mode, Query } from './query.js'
export type { Condition, Filter, Value } from './filter.js'
export type { Source } from './bytes.js'
