// A client of automerge-repo that does what it is told, one JSON object a line, and answers each with one.
//
//   {"call": 1, "do": "open", "url": "ws://…", "storage": "folder"}  ->  {"call": 1, "ok": …} or {"call": 1, "error": "…"}
//
// Calls run side by side: one that waits does not hold up those behind it. What it waits for is told by events of
// automerge-repo; nothing is asked for again and again.

import { createInterface } from 'node:readline'
import { EventEmitter } from 'node:events'
import { cbor, Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { isImmutableString, toJS } from '@automerge/automerge'
import { deleteRecord, documentUrl, readRecord, readRecords, shardOf, writeRecord } from './records.mjs'

const happened = new EventEmitter()
happened.setMaxListeners(0)

// The adapter as npm has it; it only logs what servers refuse, and this remembers it.
class Adapter extends WebSocketClientAdapter {
    refusals = []
    receiveMessage(bytes) {
        super.receiveMessage(bytes)
        const message = cbor.decode(new Uint8Array(bytes))
        if (message.type === 'error') {
            this.refusals.push(message.message)
            happened.emit('any')
        }
    }
}

const handles = new Map()
const ephemerals = []
// The adapter throws from its listener whatever a socket reports but a refused connection, for instance a reset or an answer 401.
const socketErrors = []
let repo
let adapter

process.on('uncaughtException', error => {
    socketErrors.push(String(error.message))
    happened.emit('any')
})

const calls = {
    open({ url, storage, retry_ms: retry = 100, peer }) {
        adapter = new Adapter(url, retry)
        repo = new Repo({
            network: [adapter],
            storage: storage && new NodeFSStorageAdapter(storage),
            peerId: peer,
            saveDebounceRate: 1,
        })
        for (const event of ['peer', 'peer-disconnected']) repo.networkSubsystem.on(event, () => happened.emit('any'))
        return null
    },
    connected: () => until(() => repo.peers.length > 0 || undefined),
    create: ({ name, value }) => keep(name, repo.create(value)),
    async find({ name, url, states = ['ready', 'unavailable'] }) {
        return keep(name, await repo.find(url, { allowableStates: states }))
    },
    state: ({ name, state }) => handle(name).whenReady([state]).then(() => state),
    set({ name, path, value }) {
        handle(name).change(doc => {
            // What is assigned is a plain object; the document's own comes from reading it again.
            const inner = (object, part) => {
                object[part] ??= {}
                return object[part]
            }
            path.slice(0, -1).reduce(inner, doc)[path.at(-1)] = value
        })
        return handle(name).heads()
    },
    set_many({ name, values }) {
        handle(name).change(doc => Object.assign(doc, values))
        return handle(name).heads()
    },
    doc: ({ name }) => json(handle(name).doc()),
    heads: ({ name }) => handle(name).heads(),
    // Waits until the document says all of this at its root.
    async says({ name, values }) {
        await ready(name)
        return until(() => {
            const doc = json(handle(name).doc())
            const all = Object.entries(values).every(([at, value]) => JSON.stringify(doc[at]) === JSON.stringify(value))
            return all ? doc : undefined
        })
    },
    async at_heads({ name, heads }) {
        await ready(name)
        return until(() => {
            const ours = [...handle(name).heads()].sort()
            return JSON.stringify(ours) === JSON.stringify([...heads].sort()) ? ours : undefined
        })
    },
    disconnect() {
        adapter.disconnect()
        return null
    },
    connect() {
        adapter.connect(adapter.peerId, adapter.peerMetadata)
        return calls.connected()
    },
    // As if the network broke: nobody says goodbye, and the adapter comes back by itself.
    cut() {
        adapter.socket.terminate()
        return null
    },
    broadcast({ name, message }) {
        handle(name).broadcast(message)
        return null
    },
    ephemeral: ({ count }) => until(() => (ephemerals.length >= count ? ephemerals : undefined)),
    refusals: ({ count }) => until(() => (adapter.refusals.length >= count ? adapter.refusals : undefined)),
    socket_errors: ({ count }) => until(() => (socketErrors.length >= count ? socketErrors : undefined)),
    flush: () => repo.flush().then(() => null),

    async project({ project, keys }) {
        const shards = new Set(keys.map(shardOf))
        const found = await Promise.all([...shards].map(shard => repo.find(documentUrl(project, shard))))
        found.forEach((handle, at) => keep(`${project}/${[...shards][at]}`, handle))
        return found.map(handle => handle.documentId)
    },
    write({ project, record }) {
        shard(project, record.key).change(doc => writeRecord(doc, record))
        return null
    },
    // A writer who knows nothing of scalars: strings become Text objects, arrays become lists.
    write_naively({ project, key, leaves }) {
        shard(project, key).change(doc => {
            for (const [path, value] of Object.entries({ ...leaves, '@live': true })) doc.records[`${key}\u001f${path}`] = value
        })
        return null
    },
    remove({ project, key }) {
        shard(project, key).change(doc => deleteRecord(doc, key))
        return null
    },
    read: ({ project, key }) => readRecord(shard(project, key).doc(), key) ?? null,
    read_all: ({ project, shard: number }) => readRecords(handle(`${project}/${number}`).doc()),
    // Waits until the record is this one; null: until there is none.
    reads: ({ project, key, record }) =>
        until(() => {
            const found = readRecord(shard(project, key).doc(), key) ?? null
            return sorted(found) === sorted(record) ? { found } : undefined
        }),
    reads_data: ({ project, key, data }) =>
        until(() => (sorted(readRecord(shard(project, key).doc(), key)?.data) === sorted(data) ? data : undefined)),
    quit() {
        setImmediate(() => process.exit(0))
        return null
    },
}

function handle(name) {
    const found = handles.get(name)
    if (!found) throw new Error(`no document ${name}`)
    return found
}

// A document that was unavailable tells of its change before it is ready, and of nothing afterwards.
const ready = name => handle(name).whenReady(['ready'])

const shard = (project, key) => handle(`${project}/${shardOf(key)}`)

function keep(name, found) {
    if (!handles.has(name)) {
        for (const event of ['heads-changed', 'change', 'delete']) found.on(event, () => happened.emit('any'))
        found.on('ephemeral-message', ({ message }) => {
            ephemerals.push(message)
            happened.emit('any')
        })
    }
    handles.set(name, found)
    return { url: found.url, state: found.state, heads: found.isReady() ? found.heads() : [] }
}

function until(look) {
    return new Promise((resolve, reject) => {
        const again = () => {
            try {
                const value = look()
                if (value === undefined) return
                happened.off('any', again)
                resolve(value)
            } catch (error) {
                happened.off('any', again)
                reject(error)
            }
        }
        happened.on('any', again)
        again()
    })
}

function json(doc) {
    return JSON.parse(JSON.stringify(toJS(doc), (_, value) => (isImmutableString(value) ? value.toString() : value)))
}

function sorted(value) {
    const ordered = (_, inner) =>
        inner !== null && typeof inner === 'object' && !Array.isArray(inner)
            ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
            : inner
    return JSON.stringify(value, ordered)
}

createInterface({ input: process.stdin }).on('line', async line => {
    const { call, do: name, ...rest } = JSON.parse(line)
    const answer = { call }
    try {
        answer.ok = await calls[name](rest)
    } catch (error) {
        answer.error = error.stack ?? String(error)
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
})
// Nobody is left to tell us anything.
process.stdin.on('close', () => process.exit(0))
