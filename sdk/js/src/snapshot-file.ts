import { concatenate, fromHex, sha256 } from './bytes.js'
import { customSections, nestedComponents } from './component.js'
import { SkerryError } from './error.js'

/** What a snapshot says of itself (docs/format.md). */
export interface Manifest {
    format: 1
    project: string
    description: string
    version: string
    heads: { [document: string]: string[] }
    epoch: string
    model: { id: string; name: string; dimensions: number; tokens_max: number } | null
    chunking: { tokens: number; overlap: number }
    records: number
    chunks: number
    has_records: boolean
    has_model: boolean
    parts: { name: string; sha256: string; bytes: number }[]
    made_by: string
}

const MANIFEST = 'skerry-manifest'
const SIGNATURE = 'skerry-signature'

/** What is signed begins with this, so that a signature is good for nothing else. */
const SIGNED = new TextEncoder().encode('skerry snapshot v1\n')

/** A snapshot taken apart and checked against its own manifest. */
export interface SnapshotFile {
    manifest: Manifest
    /** The key that signed it, as hex, when the signature is good; undefined without one. */
    signer?: string
    /** The components by name: `query`, and `embedding` where the model is in it. */
    parts: Map<string, Uint8Array>
}

/** Reads a snapshot, and refuses one that is not what its manifest says or that has a signature that does not fit. */
export async function readSnapshotFile(bytes: Uint8Array): Promise<SnapshotFile> {
    const sections = customSections(bytes)
    const manifestSection = sections.findLast(({ name }) => name === MANIFEST)
    const signatureSection = sections.findLast(({ name }) => name === SIGNATURE)
    if (manifestSection === undefined) throw new SkerryError('format', 'this component is no snapshot: it has no manifest')
    const expectedEnd = signatureSection === undefined ? bytes.length : signatureSection.start
    if (manifestSection.to !== expectedEnd || (signatureSection !== undefined && signatureSection.to !== bytes.length)) {
        throw new SkerryError('integrity', 'the snapshot has something behind its manifest that does not belong there')
    }
    const manifest = parseManifest(manifestSection.content)
    const parts = await checkedParts(bytes.subarray(0, manifestSection.start), manifest)
    if (signatureSection === undefined) return { manifest, parts }
    const signer = await verify(bytes.subarray(0, signatureSection.start), signatureSection.content)
    return { manifest, signer, parts }
}

/** Refuses a snapshot that none of these keys (hex) has signed. */
export function requireSigner(file: SnapshotFile, trusted: readonly string[]): void {
    if (file.signer === undefined) throw new SkerryError('signature', 'the snapshot is not signed, and only trusted ones are taken')
    if (!trusted.some(key => key.toLowerCase() === file.signer)) {
        throw new SkerryError('signature', `the snapshot is signed by ${file.signer}, which is none of the trusted keys`)
    }
}

function parseJson(content: Uint8Array, what: string): Record<string, unknown> {
    try {
        const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content))
        if (value !== null && typeof value === 'object') return value as Record<string, unknown>
    } catch {
        // Said below, like JSON that is no object.
    }
    throw new SkerryError('format', `the snapshot's ${what} is no JSON object`)
}

function parseManifest(content: Uint8Array): Manifest {
    const manifest = parseJson(content, 'manifest')
    if (manifest.format !== 1) throw new SkerryError('format', `the snapshot is of format ${String(manifest.format)}; only 1 is known here`)
    if (!Array.isArray(manifest.parts) || manifest.parts.length === 0) throw new SkerryError('format', 'the snapshot names no parts')
    return manifest as unknown as Manifest
}

/** The parts by name. Without a model the component itself is the one part; else the parts are components within it. */
async function checkedParts(component: Uint8Array, manifest: Manifest): Promise<Map<string, Uint8Array>> {
    const candidates = manifest.has_model ? nestedComponents(component) : [component]
    const parts = new Map<string, Uint8Array>()
    for (const part of manifest.parts) {
        for (const candidate of candidates) {
            if (candidate.length === part.bytes && (await sha256(candidate)) === part.sha256) parts.set(part.name, candidate)
        }
        if (!parts.has(part.name)) {
            const reason = `its part \`${part.name}\` is not what its manifest says`
            throw new SkerryError('integrity', `the snapshot was changed or damaged: ${reason}`)
        }
    }
    if (!parts.has('query')) throw new SkerryError('format', 'the snapshot has no part `query`')
    return parts
}

/** The key whose signature this is, as hex. */
async function verify(signed: Uint8Array, section: Uint8Array): Promise<string> {
    const { algorithm, key, signature } = parseJson(section, 'signature')
    const keyBytes = fromHex(key, 32)
    const signatureBytes = fromHex(signature, 64)
    if (algorithm !== 'ed25519' || keyBytes === undefined || signatureBytes === undefined) {
        throw new SkerryError('signature', 'the snapshot has a signature of a kind that is not known here')
    }
    const digest = fromHex(await sha256(signed), 32)!
    let imported: CryptoKey
    try {
        imported = await crypto.subtle.importKey('raw', keyBytes, { name: 'Ed25519' }, false, ['verify'])
    } catch {
        throw new SkerryError('unsupported', 'this engine cannot check Ed25519 signatures: use Node 20, or a browser of 2025 or later')
    }
    const good = await crypto.subtle.verify({ name: 'Ed25519' }, imported, signatureBytes, concatenate([SIGNED, digest]))
    if (!good) throw new SkerryError('signature', 'the snapshot was changed after it was signed')
    return (key as string).toLowerCase()
}
