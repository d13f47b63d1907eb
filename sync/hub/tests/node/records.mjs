// Records of Skerry in a JavaScript client of automerge-repo, by the layout of docs/format.md.
//
//   const shard = await repo.find(documentUrl('notes', shardOf('tide')))
//   shard.change(doc => writeRecord(doc, { key: 'tide', text: 'High water at noon', data: { source: 'almanac' } }))
//   readRecord(shard.doc(), 'tide')

import { createHash } from 'node:crypto'
import { getConflicts, ImmutableString, isImmutableString } from '@automerge/automerge'
import { stringifyAutomergeUrl } from '@automerge/automerge-repo'

const SHARDS = 64n
const SEPARATOR = '\u001f'
const sha256 = bytes => createHash('sha256').update(bytes).digest()

// The address of a project's document; `slot` is 'catalog' or the number of a shard.
export function documentUrl(project, slot, epoch = 0) {
    const name = ['skerry/document/1', project, epoch, slot].join('\0')
    return stringifyAutomergeUrl({ documentId: Uint8Array.from(sha256(name).subarray(0, 16)) })
}

// The shard that a record lives in.
export function shardOf(key) {
    return Number(sha256(key).readBigUInt64BE() % SHARDS)
}

// Every record of a shard, in the order of the keys.
export function readRecords(doc) {
    const keys = new Set(Object.keys(doc.records).map(leaf => leaf.split(SEPARATOR, 1)[0]))
    return [...keys].sort().map(key => readRecord(doc, key)).filter(record => record !== undefined)
}

// The record under a key; undefined when there is none or it was deleted.
export function readRecord(doc, key) {
    const at = key + SEPARATOR
    if (!isLive(doc, at)) return undefined
    const record = { key, text: '', data: {}, metadata: {}, layers: [], links: [] }
    const links = new Map()
    // In the order of the paths: where a value and an object stand at one place, the object comes later and wins.
    for (const leaf of Object.keys(doc.records).filter(leaf => leaf.startsWith(at)).sort()) {
        const [root, ...names] = leaf.slice(at.length).split('/')
        const value = plain(doc.records[leaf])
        if (root === 'text' && names.length === 0) record.text = value
        else if (root === 'data' || root === 'metadata') place(record[root], names.map(unescape), value)
        else if (root === 'layer' && value === true) record.layers.push(unescape(names.join('/')))
        else if (root === 'link') placeLink(links, names, value)
    }
    // Without its first leaf a link is gone, whatever other leaves are left.
    record.links = [...links.values()].filter(link => link.type !== undefined)
    return record
}

// Makes the document say this record. Call it within `handle.change`. Only leaves that differ are touched.
export function writeRecord(doc, record) {
    const at = record.key + SEPARATOR
    const leaves = new Map()
    if (record.text) leaves.set(at + 'text', record.text)
    for (const root of ['data', 'metadata']) flatten(at + root, record[root] ?? {}, leaves)
    for (const layer of record.layers ?? []) leaves.set(`${at}layer/${escape(layer)}`, true)
    for (const link of record.links ?? []) flattenLink(`${at}link/${linkId(link)}`, link, leaves)
    for (const leaf of Object.keys(doc.records)) {
        if (leaf.startsWith(at) && leaf !== at + '@live' && !leaves.has(leaf)) delete doc.records[leaf]
    }
    for (const [leaf, value] of leaves) {
        const same = leaf in doc.records && JSON.stringify(plain(doc.records[leaf])) === JSON.stringify(value)
        // A string by itself would become a Text object: readable, but merged letter by letter and much larger.
        if (!same) doc.records[leaf] = typeof value === 'string' ? new ImmutableString(value) : stored(value)
    }
    if (!isLive(doc, at)) doc.records[at + '@live'] = true
}

// Makes the document say that there is no such record. Call it within `handle.change`.
export function deleteRecord(doc, key) {
    const at = key + SEPARATOR
    if (!isLive(doc, at)) return
    for (const leaf of Object.keys(doc.records)) {
        if (leaf.startsWith(at) && leaf !== at + '@live') delete doc.records[leaf]
    }
    doc.records[at + '@live'] = false
}

// A record lives when every value of its leaf, concurrent ones included, says so: delete wins.
function isLive(doc, at) {
    const leaf = at + '@live'
    const values = Object.values(getConflicts(doc.records, leaf) ?? { one: doc.records[leaf] })
    return values.every(value => value === true)
}

// What a leaf holds, as JSON has it. Strings come as strings, as ImmutableString, arrays as lists or as bytes of JSON.
function plain(value) {
    if (isImmutableString(value)) return value.toString()
    if (value instanceof Uint8Array) return JSON.parse(new TextDecoder().decode(value))
    if (Array.isArray(value)) return value.map(plain)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
}

function stored(value) {
    return value !== null && typeof value === 'object' ? new TextEncoder().encode(JSON.stringify(value)) : value
}

function flatten(at, object, leaves) {
    for (const [name, value] of Object.entries(object)) {
        const path = `${at}/${escape(name)}`
        const nested = value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0
        if (nested) flatten(path, value, leaves)
        else leaves.set(path, value)
    }
}

function place(object, names, value) {
    const last = names.pop()
    for (const name of names) {
        const inner = object[name]
        if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) object[name] = {}
        object = object[name]
    }
    object[last] = value
}

// One leaf of a link: what it says stands in its first leaf, everything else in leaves of its own.
function placeLink(links, [id, part, ...names], value) {
    if (!links.has(id)) links.set(id, {})
    const link = links.get(id)
    if (part === undefined) Object.assign(link, typeof value === 'string' ? JSON.parse(value) : value)
    else if (part === 'weight') link.weight = value
    else if (part === 'layer' && value === true) link.layers = [...(link.layers ?? []), unescape(names.join('/'))]
    else if (part === 'qualifier') place((link.qualifiers ??= {}), names.map(unescape), value)
    else if (part === 'since' || part === 'until') link.valid = { ...link.valid, [part]: value }
}

// Valid time is in milliseconds since 1970 here.
function flattenLink(at, link, leaves) {
    leaves.set(at, JSON.stringify({ type: link.type, members: link.members }))
    if ((link.weight ?? 1) !== 1) leaves.set(`${at}/weight`, link.weight)
    for (const layer of link.layers ?? []) leaves.set(`${at}/layer/${escape(layer)}`, true)
    flatten(`${at}/qualifier`, link.qualifiers ?? {}, leaves)
    for (const end of ['since', 'until']) if (link.valid?.[end] !== undefined) leaves.set(`${at}/${end}`, link.valid[end])
}

function linkId(link) {
    // A member that is a link is told from one that is a record by an empty key before its id.
    const target = member => (member.link === undefined ? [member.key] : ['', member.link])
    const said = [link.type, ...link.members.flatMap(member => [member.role, ...target(member)])]
    const parts = said.map(part => Buffer.from(part))
    const framed = parts.flatMap(part => {
        const length = Buffer.alloc(8)
        length.writeBigUInt64BE(BigInt(part.length))
        return [length, part]
    })
    return sha256(Buffer.concat(framed)).toString('hex', 0, 12)
}

const escape = name => name.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll(SEPARATOR, '~2')
const unescape = segment => segment.replaceAll('~2', SEPARATOR).replaceAll('~1', '/').replaceAll('~0', '~')
