import type { Chunk, StorageAdapterInterface, StorageKey } from '@automerge/automerge-repo'

/**
 * A storage in which documents of the project are never absent: it hands out the first change of each besides what is stored, so
 * that automerge-repo finds them without asking anybody.
 */
export class SeededStorage implements StorageAdapterInterface {
    readonly #inner: StorageAdapterInterface
    readonly #seeds = new Map<string, Uint8Array>()

    constructor(inner: StorageAdapterInterface) {
        this.#inner = inner
    }

    /** From now on this document begins with these bytes. */
    seed(documentId: string, bytes: Uint8Array): void {
        this.#seeds.set(documentId, bytes)
    }

    async loadRange(prefix: StorageKey): Promise<Chunk[]> {
        const chunks = await this.#inner.loadRange(prefix)
        const [documentId, kind] = prefix
        const seed = kind === 'snapshot' ? this.#seeds.get(documentId ?? '') : undefined
        return seed === undefined ? chunks : [{ key: [documentId!, 'snapshot', 'genesis'], data: seed }, ...chunks]
    }

    load(key: StorageKey): Promise<Uint8Array | undefined> {
        return this.#inner.load(key)
    }

    save(key: StorageKey, data: Uint8Array): Promise<void> {
        return this.#inner.save(key, data)
    }

    remove(key: StorageKey): Promise<void> {
        return this.#inner.remove(key)
    }

    removeRange(prefix: StorageKey): Promise<void> {
        return this.#inner.removeRange(prefix)
    }
}

/** Keeps everything in memory: for tests, and where there is no IndexedDB. */
export class MemoryStorage implements StorageAdapterInterface {
    readonly #entries = new Map<string, Chunk>()

    async load(key: StorageKey): Promise<Uint8Array | undefined> {
        return this.#entries.get(key.join('\0'))?.data
    }

    async save(key: StorageKey, data: Uint8Array): Promise<void> {
        this.#entries.set(key.join('\0'), { key, data })
    }

    async remove(key: StorageKey): Promise<void> {
        this.#entries.delete(key.join('\0'))
    }

    async loadRange(prefix: StorageKey): Promise<Chunk[]> {
        return [...this.#entries.values()].filter(({ key }) => prefix.every((part, at) => key[at] === part))
    }

    async removeRange(prefix: StorageKey): Promise<void> {
        for (const { key } of await this.loadRange(prefix)) this.#entries.delete(key.join('\0'))
    }
}
