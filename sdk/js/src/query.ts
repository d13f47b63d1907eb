import { SkerryError } from './error.js'
import { both, compileFilter, plainScalar, type Filter, type Value } from './filter.js'
import type { FilterNode, Explanation, Hit as FoundHit, Request, Response } from './glue/interfaces/skerry-query-search.js'
import type { SkerryRecord } from './record.js'

/** What to search with. */
export type Mode = 'hybrid' | 'keyword' | 'vector'

/** A query: the node's query body (docs/search.md) in the words of JavaScript. */
export interface Query {
    /** Plain words: for keyword search, and for their meaning. */
    text?: string
    /** The query language (docs/query-language.md) instead. */
    query?: string
    /** A vector instead of the text's own. */
    vector?: Float32Array | number[]
    /** Hits at most, 1 to 1,000; 10 when absent. */
    k?: number
    /** Hits to leave out before the first. */
    offset?: number
    filter?: Filter
    /** Hybrid when absent. */
    mode?: Mode
    /** Convex with vector weight 0.8 when absent. */
    fusion?: { convex: { vectorWeight: number } } | { reciprocalRank: { constant: number } }
    /** Least cosine similarity of a hit. */
    similarityMin?: number
    diversity?: number
    group?: { field: string; size?: number }
    explain?: boolean
    /** Breadth of the walk over the graph of a large segment. */
    ef?: number
    /** Look at every vector. */
    exact?: boolean
}

/** A record found. */
export interface Hit {
    key: string
    score: number
    vectorScore?: number
    keywordScore?: number
    /** The part of the text that is most similar, in bytes of its UTF-8. */
    chunk?: { start: number; end: number }
    group?: Value
    explanation?: Explanation
    /** The record, where the segment holds it. */
    record?: SkerryRecord
}

/** The answer to a query. */
export interface Answer {
    /** Best first; equal scores in the order of their keys. */
    hits: Hit[]
    /** Records that passed the filter. */
    candidates: number
    /** A graph was walked: one of the best may have been missed. */
    approximate: boolean
    /** `offset` of the next page; absent on the last. */
    nextOffset?: number
    /** Why a hybrid query was answered by keywords alone. */
    vectorsUnavailable?: string
    /** Where the time went. */
    timing: { embedMs: number; searchMs: number }
}

const K_DEFAULT = 10
const K_MAX = 1_000
const OFFSET_MAX = 10_000
const VECTOR_WEIGHT_DEFAULT = 0.8

/** Reciprocal rank fusion looks as deep as this at least, so that each page is cut from the same ranking; as the node does. */
const RANKED_MIN = 100

/** Reads a query of the query language. */
export type Parse = (query: string) => { text: string; filter: FilterNode[] }

/** A query on its way: what the component is asked but for the vector, and the text to make one of. */
export interface Prepared {
    request: Request
    /** To be embedded; undefined when a vector was given or none is wanted. */
    toEmbed?: string
    k: number
}

/** Makes a request of a query, by the rules of the node's API. */
export function prepare(query: Query, parse: Parse): Prepared {
    const mode = query.mode ?? 'hybrid'
    const k = within('k', query.k ?? K_DEFAULT, 1, K_MAX)
    const offset = within('offset', query.offset ?? 0, 0, OFFSET_MAX)
    if (query.diversity !== undefined && offset > 0) {
        throw new SkerryError('invalid', '`diversity` has no pages: leave `offset` out and ask for all hits with `k`')
    }
    if (query.text !== undefined && query.query !== undefined) {
        throw new SkerryError('invalid', 'give either `text`, plain words, or `query`, in the query language; not both')
    }
    let filter = query.filter === undefined ? [] : compileFilter(query.filter)
    let text = query.text
    if (query.query !== undefined) {
        const parsed = parse(query.query)
        text = parsed.text
        filter = both(filter, parsed.filter)
    }
    if (text === '') text = undefined
    const given = query.vector === undefined ? undefined : Float32Array.from(query.vector)
    if (mode === 'keyword' && given !== undefined) {
        throw new SkerryError('invalid', 'a keyword query takes no `vector`; use the mode `hybrid` or `vector`')
    }
    if (text === undefined && given === undefined && filter.length === 0) {
        throw new SkerryError('invalid', 'the query is empty: give it a `text`, a `query`, a `vector` or a `filter`')
    }
    const request: Request = {
        text: mode === 'vector' ? undefined : text,
        vector: given,
        k: askedFor(k, offset, query),
        offset,
        filter,
        fusion: fusion(query),
        ef: query.ef,
        exact: query.exact ?? false,
        similarityMin: query.similarityMin,
        diversity: query.diversity,
        group: query.group && { path: query.group.field, size: query.group.size ?? 1 },
        explain: query.explain ?? false,
    }
    const toEmbed = mode !== 'keyword' && given === undefined ? text : undefined
    return { request, k, ...(toEmbed === undefined ? {} : { toEmbed }) }
}

/** One more than wanted tells whether there is another page. */
function askedFor(k: number, offset: number, query: Query): number {
    if (query.diversity !== undefined) return k
    const ranked = query.fusion !== undefined && 'reciprocalRank' in query.fusion
    return Math.min(ranked ? Math.max(k + 1, RANKED_MIN - offset) : k + 1, K_MAX)
}

function fusion({ fusion }: Query): Request['fusion'] {
    if (fusion === undefined) return { tag: 'convex', val: VECTOR_WEIGHT_DEFAULT }
    if ('convex' in fusion) return { tag: 'convex', val: fusion.convex.vectorWeight }
    return { tag: 'reciprocal-rank', val: fusion.reciprocalRank.constant }
}

function within(name: string, value: number, least: number, most: number): number {
    if (Number.isInteger(value) && value >= least && value <= most) return value
    throw new SkerryError('invalid', `\`${name}\` is ${value}; it goes from ${least} to ${most}`)
}

/** Makes an answer of what the component said. */
export function toAnswer(
    prepared: Prepared,
    query: Query,
    response: Response,
    recordOf: (payload: Uint8Array) => SkerryRecord | undefined,
): Omit<Answer, 'timing'> {
    const { k, request } = prepared
    const more = response.hits.length > k || (request.k === k && response.hits.length === k)
    const next = request.offset + k
    const another = more && next < response.candidates && next <= OFFSET_MAX && query.diversity === undefined
    return {
        hits: response.hits.slice(0, k).map(hit => toHit(hit, recordOf)),
        candidates: response.candidates,
        approximate: response.approximate,
        ...(another ? { nextOffset: next } : {}),
    }
}

function toHit(found: FoundHit, recordOf: (payload: Uint8Array) => SkerryRecord | undefined): Hit {
    const hit: Hit = { key: found.key, score: found.score }
    if (found.vectorScore !== undefined) hit.vectorScore = found.vectorScore
    if (found.keywordScore !== undefined) hit.keywordScore = found.keywordScore
    if (found.chunk !== undefined) hit.chunk = found.chunk
    if (found.group !== undefined) hit.group = plainScalar(found.group)
    if (found.explanation !== undefined) hit.explanation = found.explanation
    const record = recordOf(found.payload)
    if (record !== undefined) hit.record = record
    return hit
}
