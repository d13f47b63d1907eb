import { getConflicts, ImmutableString, isImmutableString } from '@automerge/automerge'
import { concatenate, sha256 } from '../bytes.js'
import type { Json, Link, SkerryRecord } from '../record.js'
import { SEPARATOR } from './documents.js'

/** Records as the leaves of a shard (docs/format.md, docs/interop.md). */

type Leaves = Record<string, unknown>
type JsonObject = { [name: string]: Json }

/** The keys that a shard has leaves for, deleted records included, with the leaves of each. */
export function leavesByKey(records: Leaves): Map<string, string[]> {
    const found = new Map<string, string[]>()
    for (const leaf of Object.keys(records)) {
        const key = leaf.slice(0, leaf.indexOf(SEPARATOR))
        const leaves = found.get(key)
        if (leaves === undefined) found.set(key, [leaf])
        else leaves.push(leaf)
    }
    return found
}

/** The record under a key, from its leaves; undefined when there is none or it was deleted. */
export function readRecord(records: Leaves, key: string, leaves: readonly string[]): SkerryRecord | undefined {
    const at = key + SEPARATOR
    if (!isLive(records, at)) return undefined
    const record = { key, text: '', data: {} as JsonObject, metadata: {} as JsonObject, layers: [] as string[], links: [] as Link[] }
    const links = new Map<string, Partial<Link>>()
    // In the order of the paths: where a value and an object stand at one place, the object comes later and wins.
    for (const leaf of [...leaves].sort()) {
        const [root, ...names] = leaf.slice(at.length).split('/')
        const value = plain(records[leaf])
        if (root === 'text' && names.length === 0) record.text = typeof value === 'string' ? value : ''
        else if (root === 'data' || root === 'metadata') place(record[root], names.map(unescape), value)
        else if (root === 'layer' && value === true) record.layers.push(unescape(names.join('/')))
        else if (root === 'link') placeLink(links, names, value)
    }
    // Without its first leaf a link is gone, whatever other leaves are left.
    record.links = [...links.values()].filter((link): link is Link => link.type !== undefined)
    return record
}

/** What a shard has to say for a record: made before the change, since digests are awaited and changes are not. */
export async function leavesOf(record: SkerryRecord): Promise<Map<string, unknown>> {
    const at = record.key + SEPARATOR
    const leaves = new Map<string, unknown>()
    if (record.text) leaves.set(`${at}text`, record.text)
    for (const root of ['data', 'metadata'] as const) flatten(at + root, record[root] ?? {}, leaves)
    for (const layer of record.layers ?? []) leaves.set(`${at}layer/${escape(layer)}`, true)
    for (const link of record.links ?? []) flattenLink(`${at}link/${await linkId(link)}`, link, leaves)
    return leaves
}

/** Makes the shard say this record. Within a change. Only leaves that differ are touched. */
export function writeRecord(records: Leaves, key: string, leaves: ReadonlyMap<string, unknown>): void {
    const at = key + SEPARATOR
    for (const leaf of Object.keys(records)) {
        if (leaf.startsWith(at) && leaf !== `${at}@live` && !leaves.has(leaf)) delete records[leaf]
    }
    for (const [leaf, value] of leaves) {
        const same = leaf in records && JSON.stringify(plain(records[leaf])) === JSON.stringify(value)
        // A string by itself would become a Text object: readable, but merged letter by letter and much larger.
        if (!same) records[leaf] = typeof value === 'string' ? new ImmutableString(value) : stored(value)
    }
    if (!isLive(records, at)) records[`${at}@live`] = true
}

/** Makes the shard say that there is no such record. Within a change. */
export function deleteRecord(records: Leaves, key: string): void {
    const at = key + SEPARATOR
    if (!isLive(records, at)) return
    for (const leaf of Object.keys(records)) {
        if (leaf.startsWith(at) && leaf !== `${at}@live`) delete records[leaf]
    }
    records[`${at}@live`] = false
}

/** A record lives when every value of its leaf, concurrent ones included, says so: delete wins. */
function isLive(records: Leaves, at: string): boolean {
    const leaf = `${at}@live`
    const values = Object.values(getConflicts(records, leaf) ?? { one: records[leaf] })
    return values.every(value => value === true)
}

/** What a leaf holds, as JSON has it. Strings come as strings, as ImmutableString, arrays as lists or as bytes of JSON. */
function plain(value: unknown): Json {
    if (isImmutableString(value)) return value.toString()
    if (value instanceof Uint8Array) return parsed(new TextDecoder().decode(value))
    if (Array.isArray(value)) return value.map(plain)
    if (value === null || typeof value !== 'object') return (value ?? null) as Json
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
}

/** What cannot be understood is passed over. */
function parsed(text: string): Json {
    try {
        return JSON.parse(text) as Json
    } catch {
        return null
    }
}

function stored(value: unknown): unknown {
    return value !== null && typeof value === 'object' ? new TextEncoder().encode(JSON.stringify(value)) : value
}

function flatten(at: string, object: JsonObject, leaves: Map<string, unknown>): void {
    for (const [name, value] of Object.entries(object)) {
        const path = `${at}/${escape(name)}`
        const nested = value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0
        if (nested) flatten(path, value, leaves)
        else leaves.set(path, value)
    }
}

function place(object: JsonObject, names: string[], value: Json): void {
    const last = names.pop()
    if (last === undefined) return
    for (const name of names) {
        const inner = own(object, name)
        const next = inner === null || typeof inner !== 'object' || Array.isArray(inner) ? {} : inner
        if (next !== inner) define(object, name, next)
        object = next
    }
    define(object, last, value)
}

/** Names come from outside: `__proto__` is a name like any other here, so nothing is looked up in or put into prototypes. */
function own(object: JsonObject, name: string): Json | undefined {
    return Object.hasOwn(object, name) ? object[name] : undefined
}

function define(object: JsonObject, name: string, value: Json): void {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

/** One leaf of a link: what it says stands in its first leaf, everything else in leaves of its own. */
function placeLink(links: Map<string, Partial<Link>>, names: string[], value: Json): void {
    const [id, part, ...rest] = names
    if (id === undefined) return
    const link = links.get(id) ?? {}
    links.set(id, link)
    if (part === undefined) {
        const said = typeof value === 'string' ? parsed(value) : value
        const { type, members, weight, layers } = (said ?? {}) as Partial<Link>
        if (typeof type !== 'string' || !Array.isArray(members)) return
        Object.assign(link, { type, members })
        // Older programs wrote these into the first leaf.
        if (typeof weight === 'number') link.weight ??= weight
        if (Array.isArray(layers)) link.layers = [...layers.map(String), ...(link.layers ?? [])]
    } else if (part === 'weight' && typeof value === 'number') link.weight = value
    else if (part === 'layer' && value === true) link.layers = [...(link.layers ?? []), unescape(rest.join('/'))]
    else if (part === 'qualifier') place((link.qualifiers ??= {}), rest.map(unescape), value)
    else if ((part === 'since' || part === 'until') && typeof value === 'number') link.valid = { ...link.valid, [part]: value }
}

/** Valid time is in milliseconds since 1970 here. */
function flattenLink(at: string, link: Link, leaves: Map<string, unknown>): void {
    leaves.set(at, JSON.stringify({ type: link.type, members: link.members }))
    if ((link.weight ?? 1) !== 1) leaves.set(`${at}/weight`, link.weight)
    for (const layer of link.layers ?? []) leaves.set(`${at}/layer/${escape(layer)}`, true)
    flatten(`${at}/qualifier`, link.qualifiers ?? {}, leaves)
    for (const end of ['since', 'until'] as const) {
        const time = link.valid?.[end]
        if (time !== undefined) leaves.set(`${at}/${end}`, typeof time === 'number' ? time : Date.parse(time))
    }
}

async function linkId(link: Link): Promise<string> {
    // A member that is a link is told from one that is a record by an empty key before its id.
    const said = [link.type, ...link.members.flatMap(member => [member.role, ...(member.key === undefined ? ['', member.link] : [member.key])])]
    const framed = said.flatMap(part => {
        const bytes = new TextEncoder().encode(part)
        const length = new Uint8Array(8)
        new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length))
        return [length, bytes]
    })
    return (await sha256(concatenate(framed))).slice(0, 24)
}

const escape = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll(SEPARATOR, '~2')
const unescape = (segment: string) => segment.replaceAll('~2', SEPARATOR).replaceAll('~1', '/').replaceAll('~0', '~')
