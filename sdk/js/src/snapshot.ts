import { readSource, type Source } from './bytes.js'
import { Embedder, openEmbedder, runsHere } from './embedder.js'
import { SkerryError } from './error.js'
import type { Answer, Query } from './query.js'
import type { SkerryRecord } from './record.js'
import { Segment, type Excerpt } from './segment.js'
import { readSnapshotFile, requireSigner, type Manifest } from './snapshot-file.js'

/** How a snapshot is opened. */
export interface SnapshotOptions {
    /** Public keys as hex. With this, a snapshot that none of them has signed is refused. */
    trusted?: readonly string[]
    /** What makes vectors of queries. Without it: the model in the snapshot, else the one of this package. */
    embedder?: Embedder
}

/** A project at one version, ready to be asked: nothing else is needed, and nothing is asked for over the network. */
export class Snapshot {
    readonly manifest: Manifest
    /** The key that signed it, as hex. */
    readonly signer: string | undefined
    readonly #segment: Segment
    readonly #model: Uint8Array | undefined
    #embedder: Promise<Embedder> | undefined

    private constructor(manifest: Manifest, signer: string | undefined, segment: Segment, model: Uint8Array | undefined) {
        this.manifest = manifest
        this.signer = signer
        this.#segment = segment
        this.#model = model
    }

    /** Opens a snapshot, and refuses one that was changed. */
    static async open(source: Source, options: SnapshotOptions = {}): Promise<Snapshot> {
        const file = await readSnapshotFile(await readSource(source))
        if (options.trusted !== undefined) requireSigner(file, options.trusted)
        const segment = await Segment.open(file.parts.get('query')!)
        const snapshot = new Snapshot(file.manifest, file.signer, segment, file.parts.get('embedding'))
        if (options.embedder !== undefined) {
            snapshot.#checkModel(options.embedder)
            snapshot.#embedder = Promise.resolve(options.embedder)
        }
        return snapshot
    }

    /** Answers a query. The same answers as the node gives at this version. */
    query(query: Query): Promise<Answer> {
        return this.#segment.query(query, () => this.embedder(), recordOf)
    }

    /** A record; undefined when there is none, or when the snapshot was baked without records. */
    record(key: string): SkerryRecord | undefined {
        const comparison = { tag: 'eq' as const, val: { tag: 'text' as const, val: key } }
        const response = this.#segment.search({
            text: undefined,
            vector: undefined,
            k: 1,
            offset: 0,
            filter: [{ tag: 'condition', val: { path: 'key', comparison } }],
            fusion: { tag: 'convex', val: 1 },
            ef: undefined,
            exact: false,
            similarityMin: undefined,
            diversity: undefined,
            group: undefined,
            explain: false,
        })
        const hit = response.hits[0]
        return hit && recordOf(hit.payload)
    }

    /** The part of a text that best shows why a query found it. */
    excerpt(text: string, query: string, bytesMax = 240): Excerpt {
        return this.#segment.excerpt(text, query, bytesMax)
    }

    /** The segment itself, for requests in the component's own words. */
    get segment(): Segment {
        return this.#segment
    }

    /** What makes vectors of queries, opened when it is first needed. */
    embedder(): Promise<Embedder> {
        this.#embedder ??= this.#openModel().then(embedder => {
            this.#checkModel(embedder)
            return embedder
        })
        return this.#embedder
    }

    /** The model in the snapshot is the build for relaxed SIMD. Where that does not run, the package's own gives the same bits. */
    #openModel(): Promise<Embedder> {
        return this.#model !== undefined && runsHere(this.#model) ? Embedder.open(this.#model) : openEmbedder()
    }

    #checkModel(embedder: Embedder): void {
        const expected = this.manifest.model
        if (expected === null || expected.id === embedder.model.id) return
        const reason = `the snapshot's vectors are of the model ${expected.id}, and ${embedder.model.id} must not be compared with them`
        throw new SkerryError('unsupported', reason)
    }
}

function recordOf(payload: Uint8Array): SkerryRecord | undefined {
    return payload.length === 0 ? undefined : (JSON.parse(new TextDecoder().decode(payload)) as SkerryRecord)
}
