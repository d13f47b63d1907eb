import type { Embedder } from '../embedder.js'
import { SkerryError } from '../error.js'
import type { Answer, Query } from '../query.js'
import { fieldsOf, type SkerryRecord } from '../record.js'
import { Segment, type Document } from '../segment.js'
import type { Chunking, VectorCache } from './vectors.js'

/** Records indexed between two moments at which the page may do something else. */
const PAGE = 16

/** The index of a tab: a growing segment. What has no vector yet is found by its words and fields already. */
export class SearchIndex {
    readonly #segment: Segment
    readonly #vectors: VectorCache
    readonly #embedder: (() => Promise<Embedder>) | undefined
    readonly #chunking: () => Chunking
    /** Records without the vectors that they should have. */
    readonly #pending = new Map<string, SkerryRecord>()
    #embedding: Promise<void> | undefined
    #tail: Promise<void> = Promise.resolve()

    constructor(
        segment: Segment,
        vectors: VectorCache,
        embedder: (() => Promise<Embedder>) | undefined,
        chunking: () => Chunking,
    ) {
        this.#segment = segment
        this.#vectors = vectors
        this.#embedder = embedder
        this.#chunking = chunking
    }

    /** Takes changed records in, in the order of the calls; undefined for one that is gone. */
    put(changed: ReadonlyMap<string, SkerryRecord | undefined>): Promise<void> {
        this.#tail = this.#tail.then(() => this.#put(changed))
        return this.#tail
    }

    async #put(changed: ReadonlyMap<string, SkerryRecord | undefined>): Promise<void> {
        const gone = [...changed].filter(([, record]) => record === undefined).map(([key]) => key)
        for (const key of gone) this.#pending.delete(key)
        if (gone.length > 0) this.#segment.remove(gone)
        const there = [...changed.values()].filter(record => record !== undefined)
        for (let at = 0; at < there.length; at += PAGE) {
            const page = there.slice(at, at + PAGE)
            const model = await this.#modelId()
            const documents = await Promise.all(page.map(async record => {
                const known = model === undefined ? undefined : await this.#vectors.get(model, this.#chunking(), record.text ?? '')
                if (known === undefined && this.#embedder !== undefined) this.#pending.set(record.key, record)
                else this.#pending.delete(record.key)
                return toDocument(record, known ?? [])
            }))
            this.#segment.upsert(documents)
        }
        if (this.#pending.size > 0) this.#embedding ??= this.#embedPending().finally(() => (this.#embedding = undefined))
    }

    async #modelId(): Promise<string | undefined> {
        return this.#embedder && (await this.#embedder()).model.id
    }

    /** Gives vectors to what has none, a page at a time, so that typing and scrolling go on. */
    async #embedPending(): Promise<void> {
        const embedder = await this.#embedder!()
        while (this.#pending.size > 0) {
            const page = [...this.#pending.values()].slice(0, PAGE)
            for (const record of page) {
                const chunks = await this.#vectors.make(embedder, this.#chunking(), record.text ?? '')
                // It may have been written again, or deleted, while this one was embedded.
                if (this.#pending.get(record.key) !== record) continue
                this.#pending.delete(record.key)
                this.#segment.upsert([toDocument(record, chunks)])
            }
            await new Promise(resolve => setTimeout(resolve))
        }
    }

    /** Records whose vectors are still to be made. */
    get pending(): number {
        return this.#pending.size
    }

    /** Waits until everything that was put has its vectors. */
    async settled(): Promise<void> {
        await this.#tail
        await this.#embedding
    }

    /** Answers a query. It sees everything that was put before. */
    async query(query: Query): Promise<Answer & { vectorsPending: number }> {
        await this.#tail
        const none = () => Promise.reject(new SkerryError('unsupported', 'this replica was opened without an embedder'))
        const recordOf = (payload: Uint8Array) => JSON.parse(new TextDecoder().decode(payload)) as SkerryRecord
        return { ...(await this.#segment.query(query, this.#embedder ?? none, recordOf)), vectorsPending: this.pending }
    }
}

function toDocument(record: SkerryRecord, chunks: Document['chunks']): Document {
    const payload = new TextEncoder().encode(JSON.stringify(record))
    return { key: record.key, text: record.text ?? '', chunks, fields: fieldsOf(record), payload }
}
