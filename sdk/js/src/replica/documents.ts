import * as Automerge from '@automerge/automerge'
import { stringifyAutomergeUrl, type AutomergeUrl } from '@automerge/automerge-repo'
import { fromHex, sha256, toHex } from '../bytes.js'

/**
 * Which documents a project consists of, and how each of them begins (docs/format.md). All of it follows from names, so a tab
 * that never met a hub has the same documents as everybody else, and what it writes merges with theirs.
 */

/** A generation of a project's shards. */
export interface Epoch {
    number: number
    /** 16 hex digits. */
    nonce: string
    shards: number
}

/** The one that every project starts in. */
export const FIRST: Epoch = { number: 0, nonce: '0'.repeat(16), shards: 64 }

const SHARDS_MAX = 4_096
const NUMBER_MAX = 2 ** 52

/** The catalog, or a shard's number. */
export type Slot = 'catalog' | number

/** Between a record's key and the path of one of its leaves. */
export const SEPARATOR = '\u001f'

/** A document of ours; the map is `fields` in the catalog, `records` in shards. */
export interface ProjectDocument {
    fields?: Record<string, unknown>
    records?: Record<string, unknown>
    base?: Record<string, unknown>
}

export function nameOf(epoch: Epoch): string {
    return `${epoch.number}-${epoch.nonce}`
}

export function isFirst(epoch: Epoch): boolean {
    return epoch.number === 0
}

/** The catalog, then the shards. */
export function slotsOf(epoch: Epoch): Slot[] {
    return ['catalog', ...Array.from({ length: epoch.shards }, (_, shard) => shard)]
}

/** The address of a project's document. That of the catalog never changes. */
export async function documentUrl(project: string, epoch: Epoch, slot: Slot): Promise<AutomergeUrl> {
    const first = isFirst(epoch) || slot === 'catalog'
    const name = first ? ['skerry/document/1', project, '0', slot] : ['skerry/document/2', project, nameOf(epoch), slot]
    const digest = fromHex(await digestOf(name.join('\0')), 32)!
    return stringifyAutomergeUrl({ documentId: digest.slice(0, 16) as never })
}

/** The shard that a record lives in. */
export async function shardOf(epoch: Epoch, key: string): Promise<number> {
    return Number(BigInt(`0x${(await digestOf(key)).slice(0, 16)}`) % BigInt(epoch.shards))
}

function digestOf(text: string): Promise<string> {
    return sha256(new TextEncoder().encode(text))
}

/** The document with nothing in it but its first change, which is the same on every replica: fixed actor, time 0. */
export function genesis(project: string, epoch: Epoch, slot: Slot): Automerge.Doc<ProjectDocument> {
    const text = (value: string) => new Automerge.ImmutableString(value)
    const empty = Automerge.init<Record<string, unknown>>({ actor: '00'.repeat(16) })
    return Automerge.change(empty, { time: 0 }, doc => {
        // The order is part of the change, and so of its hash.
        doc.format = text('skerry/1')
        doc.project = text(project)
        doc.epoch = slot === 'catalog' ? 0 : epoch.number
        if (slot === 'catalog') doc.shards = FIRST.shards
        else if (isFirst(epoch)) doc.shard = slot
        else {
            doc.nonce = text(epoch.nonce)
            doc.shards = epoch.shards
            doc.shard = slot
        }
        doc[slot === 'catalog' ? 'fields' : 'records'] = {}
        if (slot !== 'catalog' && !isFirst(epoch)) doc.base = {}
    }) as Automerge.Doc<ProjectDocument>
}

/** An epoch, and the digests of the keys that it erased. */
export interface KnownEpoch {
    epoch: Epoch
    erased: string[]
}

/** The epochs that a catalog lists, the first one included, in order. */
export function epochsOf(catalog: ProjectDocument): KnownEpoch[] {
    const listed = Object.entries(catalog.fields ?? {}).flatMap(([leaf, value]) => {
        const matched = /^epoch\/(\d{1,16})-([0-9a-f]{16})$/.exec(leaf)
        if (matched === null) return []
        try {
            const { shards, erased } = JSON.parse(String(value)) as { shards: unknown; erased?: unknown }
            const epoch = { number: Number(matched[1]), nonce: matched[2]!, shards: Number(shards) }
            const fits = epoch.number > 0 && epoch.number < NUMBER_MAX && epoch.shards <= SHARDS_MAX && isPowerOfTwo(epoch.shards)
            return fits ? [{ epoch, erased: Array.isArray(erased) ? erased.map(String) : [] }] : []
        } catch {
            // What cannot be understood is passed over, as everywhere in documents.
            return []
        }
    })
    const greater = (one: Epoch, other: Epoch) => one.number - other.number || (one.nonce < other.nonce ? -1 : 1)
    return [{ epoch: FIRST, erased: [] }, ...listed.sort((one, other) => greater(one.epoch, other.epoch))]
}

function isPowerOfTwo(count: number): boolean {
    return Number.isInteger(count) && count > 0 && Number.isInteger(Math.log2(count))
}

/** Whether one of these epochs has erased a key. */
export async function isErased(project: string, epochs: readonly KnownEpoch[], key: string): Promise<boolean> {
    for (const { epoch, erased } of epochs) {
        if (erased.length > 0 && erased.includes(await erasedName(project, epoch, key))) return true
    }
    return false
}

/** What an epoch calls a key that it erased. */
async function erasedName(project: string, epoch: Epoch, key: string): Promise<string> {
    const secret = await crypto.subtle.importKey('raw', fromHex(epoch.nonce, 8)!, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    const mac = await crypto.subtle.sign('HMAC', secret, new TextEncoder().encode(`${project}\0${key}`))
    return toHex(new Uint8Array(mac)).slice(0, 32)
}

/** The version that these shards are at: SHA-256 over the heads of each, none for one with nothing but its first change. */
export async function versionOf(shards: { heads: string[]; genesis: string }[]): Promise<string> {
    const parts = shards.flatMap(({ heads, genesis }) => {
        const counted = heads.length === 1 && heads[0] === genesis ? [] : [...heads].sort()
        const count = new Uint8Array(4)
        new DataView(count.buffer).setUint32(0, counted.length)
        return [count, ...counted.map(head => fromHex(head, 32)!)]
    })
    return sha256(...parts)
}
