import { SkerryError } from './error.js'

/** Where bytes come from: themselves, an address, or (in Node) a path. */
export type Source = Uint8Array | ArrayBuffer | Blob | Response | URL | string

/** The bytes of a source. Addresses are fetched; `file:` addresses and paths are read, which only Node can. */
export async function readSource(source: Source): Promise<Uint8Array> {
    if (source instanceof Uint8Array) return source
    if (source instanceof ArrayBuffer) return new Uint8Array(source)
    if (typeof source === 'object' && 'arrayBuffer' in source) return new Uint8Array(await source.arrayBuffer())
    const isPage = typeof document !== 'undefined' || typeof location !== 'undefined'
    const address = String(source)
    if (!isPage && !/^https?:/.test(address)) {
        // Named indirectly, so that no bundler looks for it.
        const module = 'node:fs/promises'
        const files = await import(/* @vite-ignore */ module)
        return new Uint8Array(await files.readFile(address.startsWith('file:') ? new URL(address) : address))
    }
    const response = await fetch(address)
    if (!response.ok) throw new SkerryError('other', `${address} was answered with ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
}

/** SHA-256, as lower-case hex. */
export async function sha256(...parts: Uint8Array[]): Promise<string> {
    return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', concatenate(parts))))
}

export function concatenate(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
        whole.set(part, at)
        at += part.length
    }
    return whole
}

export function toHex(bytes: Uint8Array): string {
    return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** The bytes of hex digits; undefined where it is none of so many bytes. */
export function fromHex(hex: unknown, length: number): Uint8Array<ArrayBuffer> | undefined {
    if (typeof hex !== 'string' || hex.length !== 2 * length || !/^[0-9a-f]*$/i.test(hex)) return undefined
    return Uint8Array.from({ length }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16))
}
