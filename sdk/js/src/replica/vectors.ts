import type { StorageAdapterInterface } from '@automerge/automerge-repo'
import { sha256 } from '../bytes.js'
import type { Embedder } from '../embedder.js'
import type { Document } from '../segment.js'
import type { ProjectDocument } from './documents.js'

type Chunks = Document['chunks']

/** Chunks of one record at most: what the query component takes. */
const CHUNKS_MAX = 4_096

/** How a project cuts its texts. */
export interface Chunking {
    tokens: number
    overlap: number
}

/** What a project without a word on it cuts by: the whole of what the model reads, as the node does. */
const USUAL: Chunking = { tokens: 512, overlap: 32 }

/** What a project's catalog says of it. */
export function chunkingOf(catalog: ProjectDocument): Chunking {
    try {
        const { tokens, overlap } = JSON.parse(String(catalog.fields?.chunking)) as Chunking
        if (Number.isInteger(tokens) && Number.isInteger(overlap) && tokens >= 8 && overlap < tokens / 2) return { tokens, overlap }
    } catch {
        // Absent, or not as described, which counts as absent.
    }
    return USUAL
}

/**
 * The vectors of texts, by model and text, in the same storage as the documents: a tab that is opened again need not embed
 * anything. They are derived, and can be deleted at any time.
 */
export class VectorCache {
    readonly #storage: StorageAdapterInterface

    constructor(storage: StorageAdapterInterface) {
        this.#storage = storage
    }

    /** The chunks of a text if they are known. */
    async get(model: string, chunking: Chunking, text: string): Promise<Chunks | undefined> {
        if (text === '') return []
        const bytes = await this.#storage.load(await keyOf(model, chunking, text))
        return bytes && decode(bytes)
    }

    /** The chunks of a text, cut, embedded and kept. */
    async make(embedder: Embedder, chunking: Chunking, text: string): Promise<Chunks> {
        const tokens = Math.min(chunking.tokens, embedder.model.tokensMax)
        const overlap = Math.min(chunking.overlap, Math.floor((tokens - 1) / 2))
        const spans = embedder.split(text, tokens, overlap).slice(0, CHUNKS_MAX)
        const utf8 = new TextEncoder().encode(text)
        const parts = spans.map(({ start, end }) => new TextDecoder().decode(utf8.subarray(start, end)))
        const chunks = embedder.embed(parts).map(({ vector }, at) => ({ span: spans[at]!, vector: Float32Array.from(vector) }))
        await this.#storage.save(await keyOf(embedder.model.id, chunking, text), encode(chunks))
        return chunks
    }
}

async function keyOf(model: string, { tokens, overlap }: Chunking, text: string): Promise<string[]> {
    return ['skerry-vectors', model, await sha256(new TextEncoder().encode(`${tokens}/${overlap}\0${text}`))]
}

/** Number of chunks, dimensions; of each chunk start, end and vector. Little-endian. */
function encode(chunks: Chunks): Uint8Array {
    const dimensions = chunks[0]?.vector.length ?? 0
    const view = new DataView(new ArrayBuffer(8 + chunks.length * (8 + 4 * dimensions)))
    view.setUint32(0, chunks.length, true)
    view.setUint32(4, dimensions, true)
    let at = 8
    for (const { span, vector } of chunks) {
        view.setUint32(at, span.start, true)
        view.setUint32(at + 4, span.end, true)
        vector.forEach((number, index) => view.setFloat32(at + 8 + 4 * index, number, true))
        at += 8 + 4 * dimensions
    }
    return new Uint8Array(view.buffer)
}

function decode(bytes: Uint8Array): Chunks | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (bytes.length < 8) return undefined
    const [count, dimensions] = [view.getUint32(0, true), view.getUint32(4, true)]
    const each = 8 + 4 * dimensions
    // Whatever is not as it was written is made anew.
    if (bytes.length !== 8 + count * each) return undefined
    return Array.from({ length: count }, (_, chunk) => {
        const at = 8 + chunk * each
        const vector = Float32Array.from({ length: dimensions }, (_, index) => view.getFloat32(at + 8 + 4 * index, true))
        return { span: { start: view.getUint32(at, true), end: view.getUint32(at + 4, true) }, vector }
    })
}
