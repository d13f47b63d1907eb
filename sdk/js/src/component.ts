import { concatenate, sha256 } from './bytes.js'
import { SkerryError } from './error.js'

/**
 * Takes components apart. A baked component is the one that was built with other core modules: the same number in the same order,
 * with the same exports, but with data in their memory. So what jco made of the unbaked one runs every baked one, and a
 * page opens whatever snapshot it is handed without a toolchain.
 *
 * Binary format: https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
 */

const CUSTOM = 0
const CORE_MODULE = 1
const COMPONENT = 4

/** `\0asm`, version 13, layer 1. */
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]

/** A section of a component. */
export interface Section {
    id: number
    /** Offset of its first byte, the id. */
    start: number
    /** Offset of its content. */
    from: number
    /** Offset behind its content. */
    to: number
}

/** The sections of a component in order. */
export function sectionsOf(bytes: Uint8Array): Section[] {
    if (PREAMBLE.some((byte, at) => bytes[at] !== byte)) {
        throw new SkerryError('format', 'these bytes are no WebAssembly component')
    }
    const sections: Section[] = []
    let at = PREAMBLE.length
    while (at < bytes.length) {
        const start = at
        const id = bytes[at]!
        const size = readLength(bytes, at + 1)
        const from = size.behind
        at = from + size.value
        if (at > bytes.length) throw new SkerryError('format', `the component ends within a section that begins at byte ${start}`)
        sections.push({ id, start, from, to: at })
    }
    return sections
}

/** An unsigned LEB128 of at most 32 bits. */
function readLength(bytes: Uint8Array, at: number): { value: number; behind: number } {
    let value = 0
    for (let digit = 0; digit < 5; digit += 1) {
        const byte = bytes[at + digit]
        if (byte === undefined) break
        // Not by shifts: those are signed from 2^31 on.
        value += (byte & 0x7f) * 2 ** (7 * digit)
        if (byte < 0x80) return { value, behind: at + digit + 1 }
    }
    throw new SkerryError('format', `no length at byte ${at} of the component`)
}

/** The core modules of a component, in order; not those of components within it. */
export function coreModules(bytes: Uint8Array): Uint8Array[] {
    return sectionsOf(bytes).filter(({ id }) => id === CORE_MODULE).map(({ from, to }) => bytes.subarray(from, to))
}

/** The components directly within a component, in order. */
export function nestedComponents(bytes: Uint8Array): Uint8Array[] {
    return sectionsOf(bytes).filter(({ id }) => id === COMPONENT).map(({ from, to }) => bytes.subarray(from, to))
}

/** A custom section: where it starts in the component, its name and content. */
export interface CustomSection {
    start: number
    to: number
    name: string
    content: Uint8Array
}

/** The custom sections of a component, in order. */
export function customSections(bytes: Uint8Array): CustomSection[] {
    return sectionsOf(bytes).filter(({ id }) => id === CUSTOM).map(({ start, from, to }) => {
        const length = readLength(bytes, from)
        const end = length.behind + length.value
        if (end > to) throw new SkerryError('format', `the custom section at byte ${start} has a name that is longer than itself`)
        const name = new TextDecoder().decode(bytes.subarray(length.behind, end))
        return { start, to, name, content: bytes.subarray(end, to) }
    })
}

/**
 * A digest of everything in a component but its core modules and custom sections: its types, imports, exports and what lifts and
 * lowers. Components of one shape can be run by the same glue.
 */
export async function shapeOf(bytes: Uint8Array): Promise<string> {
    const rest = sectionsOf(bytes).filter(({ id }) => id !== CORE_MODULE && id !== CUSTOM)
    return sha256(concatenate(rest.map(({ start, to }) => bytes.subarray(start, to))))
}

/** What jco makes of a component, and what our build adds: the shape that it is for. */
export interface Glue<Root> {
    instantiate(
        getCoreModule: (path: string) => Promise<WebAssembly.Module>,
        imports: Record<string, never>,
    ): Root | Promise<Root>
    readonly shape: string
}

/** Runs a component by the glue of another one of the same shape. */
export async function instantiate<Root>(glue: Glue<Root>, bytes: Uint8Array, what: string): Promise<Root> {
    if ((await shapeOf(bytes)) !== glue.shape) {
        const reason = 'was made for another version of this package: its interface is not the one that is known here'
        throw new SkerryError('format', `${what} ${reason}`)
    }
    const modules = coreModules(bytes)
    // jco names them `<component>.core.wasm`, `<component>.core2.wasm` and so on, in the order of the sections.
    const load = (path: string) => {
        const number = Number(/core(\d*)\.wasm$/.exec(path)?.[1] || 1)
        const module = modules[number - 1]
        if (module === undefined) throw new SkerryError('format', `${what} has no core module ${number}`)
        return WebAssembly.compile(module as Uint8Array<ArrayBuffer>)
    }
    return glue.instantiate(load, {})
}

/** Keeps an instance and turns what it throws into errors of ours. After a trap its memory is in no known state. */
export class Guarded<Root> {
    readonly #root: Root
    readonly #what: string
    #poisoned = false

    constructor(root: Root, what: string) {
        this.#root = root
        this.#what = what
    }

    /** Calls the component. */
    call<T>(work: (root: Root) => T): T {
        if (this.#poisoned) throw new SkerryError('poisoned', `${this.#what} trapped before and cannot be used any more`)
        try {
            return work(this.#root)
        } catch (error) {
            if (error instanceof WebAssembly.RuntimeError) this.#poisoned = true
            throw asError(error)
        }
    }
}

const INVALID = new Set([
    'k-out-of-range', 'offset-out-of-range', 'empty-request', 'vector-not-finite', 'vector-dimensions', 'weight-out-of-range',
    'malformed-filter', 'malformed', 'out-of-range', 'too-many-chunks', 'span', 'key-length', 'sealed', 'batch-too-large',
])

/** What a component answers for an error is a value, thrown as it is or as `payload`; anything else is left alone. */
function asError(error: unknown): unknown {
    const said = error !== null && typeof error === 'object' && 'payload' in error ? error.payload : error
    if (said === null || typeof said !== 'object' || said instanceof Error || !('tag' in said)) return error
    const { tag, val } = said as { tag: string; val?: unknown }
    const words = val === undefined ? '' : typeof val === 'string' ? val : JSON.stringify(val)
    const message = tag === 'other' ? words : words === '' ? tag : `${tag}: ${words}`
    const kind = tag === 'unknown-field' ? 'unknown-field' : INVALID.has(tag) ? 'invalid' : 'other'
    return new SkerryError(kind, message, said)
}
