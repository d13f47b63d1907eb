import { readSource, type Source } from './bytes.js'
import { coreModules, Guarded, instantiate } from './component.js'
import { SkerryError } from './error.js'
import * as glue from './glue/embedding.js'
import type { Embedding, Model, Span } from './glue/interfaces/skerry-embedding-embedder.js'

export type { Embedding, Model, Span }

/** Texts that one call into the component takes at most. */
const TEXTS_MAX = 1_024

/** Turns texts into vectors: the same bits in every engine. */
export class Embedder {
    /** What the vectors are of. Those of models with different `id` must never be compared. */
    readonly model: Model
    readonly #component: Guarded<glue.Root>

    private constructor(component: Guarded<glue.Root>, model: Model) {
        this.#component = component
        this.model = model
    }

    /** An embedder from a baked embedding component. */
    static async open(source: Source): Promise<Embedder> {
        const root = await instantiate(glue, await readSource(source), 'the embedding component')
        const component = new Guarded(root, 'the embedding component')
        return new Embedder(component, component.call(({ embedder }) => embedder.describe()))
    }

    /** One embedding per text, in the order of the texts. */
    embed(texts: string[]): Embedding[] {
        const found: Embedding[] = []
        for (let at = 0; at < texts.length; at += TEXTS_MAX) {
            found.push(...this.#component.call(({ embedder }) => embedder.embed(texts.slice(at, at + TEXTS_MAX))))
        }
        return found
    }

    /** The vector of one text. */
    vector(text: string): Float32Array {
        return this.embed([text])[0]!.vector
    }

    /** WordPiece token ids, special tokens included. */
    tokenize(text: string): Uint32Array {
        return Uint32Array.from(this.#component.call(({ embedder }) => embedder.tokenize(text)))
    }

    /** Cuts a text into chunks of at most `tokens` tokens that share at most `overlap`. Spans are in bytes of UTF-8. */
    split(text: string, tokens: number, overlap: number): Span[] {
        return this.#component.call(({ embedder }) => embedder.split(text, tokens, overlap))
    }
}

/**
 * A module with one function that has the one instruction that is asked about, `i32x4.relaxed_dot_i8x16_i7x16_add_s`.
 * Engines without relaxed SIMD find it invalid.
 */
const RELAXED_PROBE = new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // preamble
    0x01, 0x08, 0x01, 0x60, 0x03, 0x7b, 0x7b, 0x7b, 0x01, 0x7b, // (v128, v128, v128) -> v128
    0x03, 0x02, 0x01, 0x00, // one function of that type
    0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0xfd, 0x93, 0x02, 0x0b,
])

/** Whether this engine has relaxed SIMD. It makes embedding faster and changes no bit. */
export function hasRelaxedSimd(): boolean {
    return WebAssembly.validate(RELAXED_PROBE)
}

/** Whether this engine can compile an embedding component at all. */
export function runsHere(component: Uint8Array): boolean {
    return coreModules(component).every(module => WebAssembly.validate(module as Uint8Array<ArrayBuffer>))
}

/** Where the two builds of the model are; those of the package unless said otherwise. */
export interface EmbedderSources {
    /** For engines with relaxed SIMD. */
    relaxed?: Source
    /** For all others. */
    plain?: Source
}

/** The model of this package (all-MiniLM-L6-v2, 24 MB), in the build that suits this engine. Only that one is fetched. */
export async function openEmbedder(sources: EmbedderSources = {}): Promise<Embedder> {
    // The two addresses stand here as a whole, for bundlers look for exactly this form.
    const relaxed = () => sources.relaxed ?? new URL('./model/embedding.wasm', import.meta.url)
    const plain = () => sources.plain ?? new URL('./model/embedding-simd128.wasm', import.meta.url)
    try {
        return await Embedder.open(hasRelaxedSimd() ? relaxed() : plain())
    } catch (error) {
        if (error instanceof WebAssembly.CompileError) {
            throw new SkerryError('unsupported', `this engine cannot compile the model: ${error.message}`)
        }
        throw error
    }
}
