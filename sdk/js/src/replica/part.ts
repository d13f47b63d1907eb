import * as Automerge from '@automerge/automerge'
import { decodeHeads, type DocHandle, type Repo } from '@automerge/automerge-repo'
import type { SkerryRecord } from '../record.js'
import { documentUrl, genesis, type Epoch, type ProjectDocument, type Slot } from './documents.js'
import { leavesByKey, readRecord } from './leaves.js'
import type { SeededStorage } from './storage.js'

/** What automerge-repo holds a document by. */
export type Handle = DocHandle<ProjectDocument>

/** One of the documents. */
export interface Part {
    handle: Handle
    /** The hash of its first change. */
    genesis: string
    /** The heads that the hub said last that it has; undefined as long as it has said nothing. */
    atHub: string[] | undefined
    /** Ends what `Replica` hears of changes in it. */
    leave: () => void
}

/** A document that is here: from the storage, from its first change, and from the hub as soon as that answers. */
export async function openPart(repo: Repo, storage: SeededStorage, project: string, epoch: Epoch, slot: Slot): Promise<Part> {
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
export function isWhole({ handle }: Part): boolean {
    return handle.doc().base?.['@whole'] === true
}

/** Waits until it does. */
export function becomesWhole(part: Part): Promise<void> {
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
export function knownHere({ handle, genesis, atHub }: Part): string[] {
    const here = (atHub ?? []).filter(head => Automerge.inspectChange(handle.doc(), head) !== null)
    return here.length > 0 ? here : [genesis]
}

/** The records of a shard. */
export function readAll(doc: ProjectDocument): SkerryRecord[] {
    return [...recordsByKey(doc).values()]
}

/** The same by their keys. */
export function recordsByKey(doc: ProjectDocument): Map<string, SkerryRecord> {
    const records = doc.records ?? {}
    const found = new Map<string, SkerryRecord>()
    for (const [key, leaves] of leavesByKey(records)) {
        const record = readRecord(records, key, leaves)
        if (record !== undefined) found.set(key, record)
    }
    return found
}

/** Whether the hub has all that is here. */
export function isCovered({ handle, atHub }: Part): boolean {
    return atHub !== undefined && Automerge.getHeads(handle.doc()).every(head => atHub.includes(head))
}
