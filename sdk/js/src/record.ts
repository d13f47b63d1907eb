import type { Value } from './filter.js'
import { scalar } from './filter.js'
import type { Field } from './glue/interfaces/skerry-query-documents.js'

/** Anything that JSON can say. */
export type Json = Value | Json[] | { [name: string]: Json }

/** What a member of a link is: a record, or another link. */
export type Member = { role: string; key: string; link?: undefined } | { role: string; link: string; key?: undefined }

/** A typed (hyper)edge. */
export interface Link {
    type: string
    members: Member[]
    weight?: number
    layers?: string[]
    qualifiers?: { [name: string]: Json }
    /** Milliseconds since 1970 in documents; the node's API writes it as text. */
    valid?: { since?: number | string; until?: number | string }
    /** The link's id, where the node's API says it. */
    id?: string
}

/** The unit of context. */
export interface SkerryRecord {
    key: string
    text?: string
    data?: { [name: string]: Json }
    metadata?: { [name: string]: Json }
    layers?: string[]
    links?: Link[]
}

/** Everything of a record that filters can ask for, as the node has it. */
export function fieldsOf(record: SkerryRecord): Field[] {
    const fields: Field[] = []
    addObject('data', record.data ?? {}, fields)
    addObject('metadata', record.metadata ?? {}, fields)
    for (const layer of record.layers ?? []) fields.push({ path: 'layer', value: scalar(layer) })
    for (const link of record.links ?? []) {
        fields.push({ path: 'link.type', value: scalar(link.type) })
        for (const member of link.members) {
            if (member.key !== undefined) fields.push({ path: 'link.key', value: scalar(member.key) })
        }
    }
    return fields
}

function addObject(at: string, object: { [name: string]: Json }, fields: Field[]): void {
    for (const [name, value] of Object.entries(object)) addValue(`${at}.${name}`, value, fields)
}

/** Elements of an array stand under the array's own path, objects inside arrays under theirs. */
function addValue(at: string, value: Json, fields: Field[]): void {
    if (Array.isArray(value)) for (const inner of value) addValue(at, inner, fields)
    else if (value !== null && typeof value === 'object') addObject(at, value, fields)
    else fields.push({ path: at, value: scalar(value) })
}
