import * as Automerge from '@automerge/automerge'
import { decodeHeads, Repo, type DocHandle, type DocHandleChangePayload, type StorageAdapterInterface } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { IndexedDBStorageAdapter } from '@automerge/automerge-repo-storage-indexeddb'
import type { Embedder } from '../embedder.js'
import { SkerryError } from '../error.js'
import type { Answer, Query } from '../query.js'
import type { SkerryRecord } from '../record.js'
import { Segment } from '../segment.js'
import {
    documentUrl, epochsOf, erasedName, FIRST, genesis, isFirst, nameOf, SEPARATOR, shardOf, slotsOf, versionOf,
    type Epoch, type ProjectDocument, type Slot,
} from './documents.js'
import { deleteRecord, leavesByKey, leavesOf, readRecord, writeRecord } from './leaves.js'
import { SearchIndex } from './search-index.js'
import { MemoryStorage, SeededStorage } from './storage.js'
import { USUAL, VectorCache, type Chunking } from './vectors.js'

/** How a replica is opened. */
export interface ReplicaOptions {
    project: string
    /** The hub, `ws://…` or `wss://…`; without it the replica works alone. */
    url?: string
    /** A token of the hub. It stands in the address, as sockets of browsers can send no header. */
    token?: string
    /** Milliseconds between attempts to reach the hub; 5,000 when absent. */
    retryMs?: number
    /** What makes vectors; without it only words and fields are searched. */
    embedder?: () => Promise<Embedder>
    /** Where everything is kept: IndexedDB when absent, and memory where there is none. */
    storage?: StorageAdapterInterface
}

/** A record that changed, here or elsewhere; without `record` when it is gone. */
export interface Change {
    key: string
    record?: SkerryRecord
}

type Handle = DocHandle<ProjectDocument>

/** One of the documents. */
interface Part {
    handle: Handle
    /** The hash of its first change. */
    genesis: string
    /** The heads that the hub said last that it has; undefined as long as it has said nothing. */
    atHub: string[] | undefined
    /** Ends what `Replica` hears of changes in it. */
    leave: () => void
}

/**
 * All records of a project in a tab: written and searched there, online or not, and in sync with a hub whenever there is one.
 * The Automerge documents are what counts; the index is made of them.
 */
export class Replica {
    readonly project: string
    readonly #repo: Repo
    readonly #storage: SeededStorage
    readonly #adapter: WebSocketClientAdapter | undefined
    readonly #catalog: Part
    readonly #index: SearchIndex
    readonly #listeners = new Set<(changes: Change[]) => void>()
    #epoch: Epoch = FIRST
    #shards: Part[] = []
    /** The name of the epoch whose documents are waited for. */
    #awaited: string | undefined
    #moving: Promise<void> = Promise.resolve()

    private constructor(
        project: string,
        repo: Repo,
        storage: SeededStorage,
        adapter: WebSocketClientAdapter | undefined,
        catalog: Part,
        index: (chunking: () => Chunking) => SearchIndex,
    ) {
        this.project = project
        this.#repo = repo
        this.#storage = storage
        this.#adapter = adapter
        this.#catalog = catalog
        this.#index = index(() => chunkingOf(catalog.handle.doc()))
    }

    /** Opens what is stored here, offline as well, and connects to the hub when there is one. */
    static async open(options: ReplicaOptions): Promise<Replica> {
        const { project, url, token, retryMs = 5_000, embedder } = options
        const inner = options.storage ?? (typeof indexedDB === 'undefined' ? new MemoryStorage() : new IndexedDBStorageAdapter(`skerry-${project}`))
        const storage = new SeededStorage(inner)
        const address = url && (token === undefined ? url : `${url}${url.includes('?') ? '&' : '?'}access_token=${encodeURIComponent(token)}`)
        const adapter = address ? new WebSocketClientAdapter(address, retryMs) : undefined
        const repo = new Repo({ storage, network: adapter ? [adapter] : [], enableRemoteHeadsGossiping: false })
        const catalog = await openPart(repo, storage, project, FIRST, 'catalog')
        const segment = await Segment.create()
        const vectors = new VectorCache(inner)
        const replica = new Replica(project, repo, storage, adapter, catalog, chunking => new SearchIndex(segment, vectors, embedder, chunking))
        await replica.#enterWhole()
        catalog.handle.on('change', () => void replica.#follow())
        void replica.#follow()
        return replica
    }

    /** Takes up the documents of an epoch and indexes what is in them. */
    async #enter(epoch: Epoch, parts: Part[]): Promise<void> {
        this.#epoch = epoch
        this.#shards = parts
        for (const part of parts) {
            const listener = (payload: DocHandleChangePayload<ProjectDocument>) => this.#changed(part.handle, payload)
            part.handle.on('change', listener)
            part.leave = () => part.handle.off('change', listener)
        }
        const all = new Map<string, SkerryRecord | undefined>()
        for (const { handle } of parts) for (const record of readAll(handle.doc())) all.set(record.key, record)
        await this.#index.put(all)
    }

    #openShards(epoch: Epoch): Promise<Part[]> {
        const shards = slotsOf(epoch).filter(slot => slot !== 'catalog')
        return Promise.all(shards.map(slot => openPart(this.#repo, this.#storage, this.project, epoch, slot)))
    }

    /** The newest epoch whose documents are all here. */
    async #enterWhole(): Promise<void> {
        for (const { epoch } of epochsOf(this.#catalog.handle.doc()).reverse()) {
            const parts = await this.#openShards(epoch)
            if (isFirst(epoch) || parts.every(isWhole)) return this.#enter(epoch, parts)
        }
    }

    /** Goes on with the documents of a newer epoch when the catalog names one and all of them have arrived. */
    async #follow(): Promise<void> {
        const newest = epochsOf(this.#catalog.handle.doc()).at(-1)!.epoch
        const name = nameOf(newest)
        if (name === nameOf(this.#epoch) || name === this.#awaited) return
        this.#awaited = name
        const parts = await this.#openShards(newest)
        await Promise.all(parts.map(becomesWhole))
        // An even newer one may have been named meanwhile.
        if (this.#awaited !== name) return
        this.#moving = this.#moving.then(() => this.#move(newest, parts))
    }

    async #move(newest: Epoch, parts: Part[]): Promise<void> {
        const [before, unsent] = [this.#shards, this.#unsent()]
        const had = before.flatMap(({ handle }) => readAll(handle.doc()).map(({ key }) => key))
        for (const { leave } of before) leave()
        await this.#enter(newest, parts)
        const changes = new Map<string, SkerryRecord | undefined>(had.map(key => [key, undefined]))
        for (const record of this.records()) changes.set(record.key, record)
        await this.#index.put(changes)
        this.#tell(changes)
        // What the hub had not got is written anew, but for what was erased meanwhile.
        await this.#carryOver(unsent, epochsOf(this.#catalog.handle.doc()))
    }

    /** Records that differ between what we have and what the hub is known to have; undefined for those that we deleted. */
    #unsent(): Map<string, SkerryRecord | undefined> {
        const found = new Map<string, SkerryRecord | undefined>()
        for (const part of this.#shards) {
            if (isCovered(part)) continue
            const theirs = recordsByKey(Automerge.view(part.handle.doc(), knownHere(part)))
            const ours = recordsByKey(part.handle.doc())
            for (const [key, record] of ours) {
                if (JSON.stringify(theirs.get(key)) !== JSON.stringify(record)) found.set(key, record)
            }
            for (const key of theirs.keys()) if (!ours.has(key)) found.set(key, undefined)
        }
        return found
    }

    async #carryOver(unsent: Map<string, SkerryRecord | undefined>, epochs: { epoch: Epoch; erased: string[] }[]): Promise<void> {
        for (const [key, record] of unsent) {
            const names = await Promise.all(epochs.slice(1).map(({ epoch, erased }) => erasedName(this.project, epoch, key).then(name => erased.includes(name))))
            if (names.includes(true)) continue
            if (record === undefined) await this.#delete([key])
            else await this.#publish([record])
        }
    }

    #changed(handle: Handle, { patches }: DocHandleChangePayload<ProjectDocument>): void {
        const keys = new Set<string>()
        for (const { path } of patches) {
            const leaf = path[0] === 'records' ? path[1] : undefined
            if (typeof leaf === 'string' && leaf.includes(SEPARATOR)) keys.add(leaf.slice(0, leaf.indexOf(SEPARATOR)))
        }
        if (keys.size === 0) return
        const records = handle.doc().records ?? {}
        const leaves = leavesByKey(records)
        const changed = new Map([...keys].map(key => [key, readRecord(records, key, leaves.get(key) ?? [])]))
        void this.#index.put(changed)
        this.#tell(changed)
    }

    #tell(changed: ReadonlyMap<string, SkerryRecord | undefined>): void {
        const changes = [...changed].map(([key, record]) => (record === undefined ? { key } : { key, record }))
        for (const listener of this.#listeners) listener(changes)
    }

    /** Writes records; each takes the place of what was under its key. On return they are found, and stored here. */
    async publish(records: SkerryRecord[]): Promise<void> {
        await this.#moving
        await this.#publish(records)
    }

    async #publish(records: SkerryRecord[]): Promise<void> {
        for (const { key } of records) checkKey(key)
        const leaves = await Promise.all(records.map(async record => ({ key: record.key, leaves: await leavesOf(record) })))
        await this.#write(leaves.map(({ key, leaves }) => ({ key, edit: (shard: Record<string, unknown>) => writeRecord(shard, key, leaves) })))
    }

    /** Deletes records; keys that are not there are passed over. */
    async delete(keys: string[]): Promise<void> {
        await this.#moving
        await this.#delete(keys)
    }

    #delete(keys: string[]): Promise<void> {
        return this.#write(keys.map(key => ({ key, edit: (shard: Record<string, unknown>) => deleteRecord(shard, key) })))
    }

    /** One change for each shard. */
    async #write(edits: { key: string; edit: (shard: Record<string, unknown>) => void }[]): Promise<void> {
        const shards = await Promise.all(edits.map(({ key }) => shardOf(this.#epoch, key)))
        const touched = [...new Set(shards)].map(shard => this.#shards[shard]!.handle)
        for (const shard of new Set(shards)) {
            this.#shards[shard]!.handle.change(doc => {
                edits.forEach(({ edit }, at) => {
                    if (shards[at] === shard) edit(doc.records!)
                })
            })
        }
        await this.#repo.flush(touched.map(({ documentId }) => documentId))
        await this.#index.put(new Map())
    }

    /** The record under a key. */
    async get(key: string): Promise<SkerryRecord | undefined> {
        await this.#moving
        const records = this.#shards[await shardOf(this.#epoch, key)]!.handle.doc().records ?? {}
        return readRecord(records, key, Object.keys(records).filter(leaf => leaf.startsWith(key + SEPARATOR)))
    }

    /** All records in the order of their keys. */
    records(): SkerryRecord[] {
        const all = this.#shards.flatMap(({ handle }) => readAll(handle.doc()))
        return all.sort((one, other) => (one.key < other.key ? -1 : 1))
    }

    /** Answers a query over what is here now. */
    async query(query: Query): Promise<Answer & { vectorsPending: number }> {
        await this.#moving
        return this.#index.query(query)
    }

    /** Waits until every record that is here can be found by its meaning. */
    async indexed(): Promise<void> {
        await this.#moving
        return this.#index.settled()
    }

    /** Calls back with what changes, here and elsewhere. Answers how to end that. */
    subscribe(listener: (changes: Change[]) => void): () => void {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
    }

    /** The name of this state, as the node says it: replicas of one version hold the same records. */
    version(): Promise<string> {
        return versionOf(this.#shards.map(({ handle, genesis }) => ({ heads: Automerge.getHeads(handle.doc()), genesis })))
    }

    /** Whether the hub is reached. */
    get isConnected(): boolean {
        return this.#repo.peers.length > 0
    }

    /** Documents with changes that the hub is not known to have. What it says it has is durable there. */
    unsynced(): number {
        return [this.#catalog, ...this.#shards].filter(part => {
            const empty = Automerge.getHeads(part.handle.doc()).every(head => head === part.genesis)
            return !empty && !isCovered(part)
        }).length
    }

    /** Leaves the hub until `connect`; what is written meanwhile is kept here. */
    disconnect(): void {
        this.#adapter?.disconnect()
    }

    /** Comes back to the hub. */
    connect(): void {
        if (this.#adapter?.peerId !== undefined) this.#adapter.connect(this.#adapter.peerId, this.#adapter.peerMetadata)
    }

    /** Stores what is not stored yet and ends. */
    async close(): Promise<void> {
        await this.#index.settled()
        await this.#repo.shutdown()
    }
}

/** A document that is here: from the storage, from its first change, and from the hub as soon as that answers. */
async function openPart(repo: Repo, storage: SeededStorage, project: string, epoch: Epoch, slot: Slot): Promise<Part> {
    const url = await documentUrl(project, epoch, slot)
    const id = url.slice('automerge:'.length)
    const first = genesis(project, epoch, slot)
    storage.seed(id, Automerge.save(first))
    // Kept beside the document: a tab that is opened again must know what the hub had, or it would take all for its own.
    const kept = ['skerry-at-hub', id]
    const stored = await storage.load(kept)
    const handle = await repo.find<ProjectDocument>(url)
    const part: Part = {
        handle,
        genesis: Automerge.getHeads(first)[0]!,
        atHub: stored && (JSON.parse(new TextDecoder().decode(stored)) as string[]),
        leave: () => {},
    }
    handle.on('remote-heads', ({ heads }) => {
        part.atHub = decodeHeads(heads)
        void storage.save(kept, new TextEncoder().encode(JSON.stringify(part.atHub)))
    })
    return part
}

/** A document of a later epoch says of itself when its beginning is complete. */
function isWhole({ handle }: Part): boolean {
    return handle.doc().base?.['@whole'] === true
}

function becomesWhole(part: Part): Promise<void> {
    return new Promise(resolve => {
        const look = () => {
            if (!isWhole(part)) return
            part.handle.off('change', look)
            resolve()
        }
        part.handle.on('change', look)
        look()
    })
}

/** Those of the hub's heads that have arrived here; the first change always has. */
function knownHere({ handle, genesis, atHub }: Part): string[] {
    const here = (atHub ?? []).filter(head => Automerge.inspectChange(handle.doc(), head) !== null)
    return here.length > 0 ? here : [genesis]
}

function readAll(doc: ProjectDocument): SkerryRecord[] {
    return [...recordsByKey(doc).values()]
}

function recordsByKey(doc: ProjectDocument): Map<string, SkerryRecord> {
    const records = doc.records ?? {}
    const found = new Map<string, SkerryRecord>()
    for (const [key, leaves] of leavesByKey(records)) {
        const record = readRecord(records, key, leaves)
        if (record !== undefined) found.set(key, record)
    }
    return found
}

/** Whether the hub has all that is here. */
function isCovered({ handle, atHub }: Part): boolean {
    return atHub !== undefined && Automerge.getHeads(handle.doc()).every(head => atHub.includes(head))
}

function chunkingOf(catalog: ProjectDocument): Chunking {
    try {
        const { tokens, overlap } = JSON.parse(String(catalog.fields?.chunking)) as Chunking
        if (Number.isInteger(tokens) && Number.isInteger(overlap) && tokens >= 8 && overlap < tokens / 2) return { tokens, overlap }
    } catch {
        // Absent, or not as described, which counts as absent.
    }
    return USUAL
}

function checkKey(key: string): void {
    const bytes = new TextEncoder().encode(key).length
    // eslint-disable-next-line no-control-regex
    if (bytes < 1 || bytes > 512 || /[\u0000-\u001f\u007f-\u009f]/.test(key)) {
        throw new SkerryError('invalid', 'a key has 1 to 512 bytes and no control characters')
    }
}
