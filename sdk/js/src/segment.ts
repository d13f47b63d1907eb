import { readSource, type Source } from './bytes.js'
import { Guarded, instantiate } from './component.js'
import type { Embedder } from './embedder.js'
import { SkerryError } from './error.js'
import * as glue from './glue/query.js'
import type { Document, Stats } from './glue/interfaces/skerry-query-documents.js'
import type { Excerpt, Parsed } from './glue/interfaces/skerry-query-language.js'
import type { Request, Response } from './glue/interfaces/skerry-query-search.js'
import { prepare, toAnswer, type Answer, type Query } from './query.js'
import type { SkerryRecord } from './record.js'

export type { Document, Excerpt, Parsed, Request, Response, Stats }

/** One living instance of the query component: an index over the documents that it was given, or that it was baked with. */
export class Segment {
    readonly #component: Guarded<glue.Root>

    private constructor(component: Guarded<glue.Root>) {
        this.#component = component
    }

    /** An empty segment that takes documents. */
    static async create(): Promise<Segment> {
        return Segment.open(new URL('./core/query.wasm', import.meta.url))
    }

    /** The segment that a baked query component holds. Checks nothing but that it fits; `Snapshot.open` does. */
    static async open(source: Source): Promise<Segment> {
        const root = await instantiate(glue, await readSource(source), 'the query component')
        return new Segment(new Guarded(root, 'the segment'))
    }

    /** Adds documents, replacing those with the same key; all or none. */
    upsert(batch: Document[]): void {
        this.#component.call(({ documents }) => documents.upsert(batch))
    }

    /** Removes documents and answers how many there were. */
    remove(keys: string[]): number {
        return this.#component.call(({ documents }) => documents.remove(keys))
    }

    /** Sizes of the segment as it is. */
    describe(): Stats {
        return this.#component.call(({ documents }) => documents.describe())
    }

    /** The best documents for a request, in the component's own words. */
    search(request: Request): Response {
        return this.#component.call(({ search }) => search.query(request))
    }

    /** Reads a query of the query language. */
    parse(query: string): Parsed {
        try {
            return this.#component.call(({ language }) => language.parse(query))
        } catch (error) {
            const said = error !== null && typeof error === 'object' && 'payload' in error ? error.payload : error
            if (said === null || typeof said !== 'object' || !('at' in said)) throw error
            const { at, message } = said as { at: number; message: string }
            throw new SkerryError('invalid', `at character ${at + 1} of the query: ${message}`, said)
        }
    }

    /** The part of a text that best shows why a query found it. */
    excerpt(text: string, query: string, bytesMax: number): Excerpt {
        return this.#component.call(({ language }) => language.show(text, query, bytesMax))
    }

    /** What a snapshot says of itself from within; empty in every other segment. */
    describeSnapshot(): Uint8Array {
        return this.#component.call(root => {
            const { snapshot } = root as { snapshot?: { describe(): Uint8Array } }
            return snapshot?.describe() ?? new Uint8Array()
        })
    }

    /** Answers a query. The embedder is asked for only when the query has a meaning to compare. */
    async query(
        query: Query,
        embedder: () => Promise<Embedder>,
        recordOf: (payload: Uint8Array) => SkerryRecord | undefined,
    ): Promise<Answer> {
        const begun = performance.now()
        const prepared = prepare(query, text => this.parse(text))
        let unavailable: string | undefined
        if (prepared.toEmbed !== undefined) {
            try {
                prepared.request.vector = (await embedder()).vector(prepared.toEmbed)
            } catch (error) {
                // Words find records without any model; who asked for both is told.
                if (query.mode === 'vector' || query.similarityMin !== undefined || !(error instanceof SkerryError)) throw error
                unavailable = error.message
            }
        }
        const embedded = performance.now()
        const response = this.search(prepared.request)
        const answer = toAnswer(prepared, query, response, recordOf)
        const timing = { embedMs: embedded - begun, searchMs: performance.now() - embedded }
        return { ...answer, ...(unavailable === undefined ? {} : { vectorsUnavailable: unavailable }), timing }
    }
}
