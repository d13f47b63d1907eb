import * as Automerge from '@automerge/automerge'
import { Repo, type DocHandleChangePayload, type StorageAdapterInterface } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { IndexedDBStorageAdapter } from '@automerge/automerge-repo-storage-indexeddb'
import type { Embedder } from '../embedder.js'
import { SkerryError } from '../error.js'
import type { Answer, Query } from '../query.js'
import type { SkerryRecord } from '../record.js'
import { Segment } from '../segment.js'
import {
    epochsOf, FIRST, isErased, isFirst, nameOf, SEPARATOR, shardOf, slotsOf, versionOf,
    type Epoch, type KnownEpoch, type ProjectDocument,
} from './documents.js'
import { deleteRecord, leavesByKey, leavesOf, readRecord, writeRecord } from './leaves.js'
import { becomesWhole, isCovered, isWhole, knownHere, openPart, readAll, recordsByKey, type Handle, type Part } from './part.js'
import { SearchIndex } from './search-index.js'
import { MemoryStorage, SeededStorage } from './storage.js'
import { chunkingOf, VectorCache, type Chunking } from './vectors.js'

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

/** A change of one record, within the map of its shard. */
interface Edit {
    key: string
    edit: (shard: Record<string, unknown>) => void
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
        const usual = () => (typeof indexedDB === 'undefined' ? new MemoryStorage() : new IndexedDBStorageAdapter(`skerry-${project}`))
        const inner = options.storage ?? usual()
        const storage = new SeededStorage(inner)
        const adapter = url ? new WebSocketClientAdapter(withToken(url, token), retryMs) : undefined
        const repo = new Repo({ storage, network: adapter ? [adapter] : [], enableRemoteHeadsGossiping: false })
        const catalog = await openPart(repo, storage, project, FIRST, 'catalog')
        const segment = await Segment.create()
        const vectors = new VectorCache(inner)
        const index = (chunking: () => Chunking) => new SearchIndex(segment, vectors, embedder, chunking)
        const replica = new Replica(project, repo, storage, adapter, catalog, index)
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
        await this.#inOrder(() => this.#move(newest, parts))
    }

    /** One after another: a write must not fall between the documents of two epochs. */
    #inOrder<T>(work: () => Promise<T>): Promise<T> {
        const done = this.#moving.then(work)
        this.#moving = done.then(() => {}, () => {})
        return done
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

    async #carryOver(unsent: Map<string, SkerryRecord | undefined>, epochs: KnownEpoch[]): Promise<void> {
        for (const [key, record] of unsent) {
            if (await isErased(this.project, epochs, key)) continue
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
    publish(records: SkerryRecord[]): Promise<void> {
        return this.#inOrder(() => this.#publish(records))
    }

    async #publish(records: SkerryRecord[]): Promise<void> {
        for (const { key } of records) checkKey(key)
        await this.#write(await Promise.all(records.map(async record => {
            const leaves = await leavesOf(record)
            return { key: record.key, edit: shard => writeRecord(shard, record.key, leaves) }
        })))
    }

    /** Deletes records; keys that are not there are passed over. */
    delete(keys: string[]): Promise<void> {
        return this.#inOrder(() => this.#delete(keys))
    }

    #delete(keys: string[]): Promise<void> {
        return this.#write(keys.map(key => ({ key, edit: shard => deleteRecord(shard, key) })))
    }

    /** One change for each shard. */
    async #write(edits: Edit[]): Promise<void> {
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

function withToken(url: string, token: string | undefined): string {
    return token === undefined ? url : `${url}${url.includes('?') ? '&' : '?'}access_token=${encodeURIComponent(token)}`
}

function checkKey(key: string): void {
    const bytes = new TextEncoder().encode(key).length
    if (bytes < 1 || bytes > 512 || /[\u0000-\u001f\u007f-\u009f]/.test(key)) {
        throw new SkerryError('invalid', 'a key has 1 to 512 bytes and no control characters')
    }
}
