import { SkerryError } from './error.js'
import type { Comparison, FilterNode, Scalar } from './glue/interfaces/skerry-query-search.js'

/** A leaf of a record's data. */
export type Value = string | number | boolean | null

/** The same filters as the node's API takes (docs/search.md). */
export type Filter = { all: Filter[] } | { any: Filter[] } | { not: Filter } | Condition

/** A test of one field. */
export type Condition =
    | { field: string; op?: 'eq' | 'lt' | 'lte' | 'gt' | 'gte'; value: Value }
    | { field: string; op: 'in'; value: Value[] }
    | { field: string; op: 'prefix' | 'matches'; value: string }
    | { field: string; op: 'exists' }

const NODES_MAX = 1_000
const DEPTH_MAX = 32

/** The nodes of a filter, children before their parents, the root last. */
export function compileFilter(filter: Filter): FilterNode[] {
    const nodes: FilterNode[] = []
    add(filter, 0, nodes)
    return nodes
}

function add(filter: Filter, depth: number, nodes: FilterNode[]): number {
    if (depth >= DEPTH_MAX) throw invalid(`it is nested deeper than ${DEPTH_MAX} levels`)
    const each = (filters: Filter[]) => Uint32Array.from(filters.map(inner => add(inner, depth + 1, nodes)))
    let node: FilterNode
    if ('field' in filter) {
        node = { tag: 'condition', val: { path: filter.field, comparison: comparison(filter) } }
    } else if ('all' in filter) node = { tag: 'all', val: each(filter.all) }
    else if ('any' in filter) node = { tag: 'any', val: each(filter.any) }
    else if ('not' in filter) node = { tag: 'negate', val: add(filter.not, depth + 1, nodes) }
    else throw invalid('a filter is {all: [..]}, {any: [..]}, {not: ..} or {field, op, value}')
    if (nodes.length >= NODES_MAX) throw invalid(`it has more than ${NODES_MAX} nodes`)
    return nodes.push(node) - 1
}

function comparison(condition: Condition): Comparison {
    switch (condition.op) {
        case undefined:
        case 'eq':
            return { tag: 'eq', val: scalar(condition.value) }
        case 'lt':
            return { tag: 'less', val: scalar(condition.value) }
        case 'lte':
            return { tag: 'less-or-equal', val: scalar(condition.value) }
        case 'gt':
            return { tag: 'greater', val: scalar(condition.value) }
        case 'gte':
            return { tag: 'greater-or-equal', val: scalar(condition.value) }
        case 'in':
            return { tag: 'one-of', val: condition.value.map(scalar) }
        case 'prefix':
            return { tag: 'prefix', val: condition.value }
        case 'matches':
            return { tag: 'words', val: condition.value }
        case 'exists':
            return { tag: 'exists' }
        default:
            throw invalid(`\`${String((condition as { op: unknown }).op)}\` is not an operator`)
    }
}

/** A leaf as the component has it. */
export function scalar(value: Value): Scalar {
    if (value === null) return { tag: 'null' }
    if (typeof value === 'boolean') return { tag: 'boolean', val: value }
    if (typeof value === 'number') return { tag: 'number', val: value }
    if (typeof value === 'string') return { tag: 'text', val: value }
    throw invalid('`value` is text, a number, true, false or null')
}

/** A leaf as JSON has it. */
export function plainScalar(value: Scalar): Value {
    return value.tag === 'null' ? null : value.val
}

/** The filter that both filters pass; either may be empty. */
export function both(first: FilterNode[], second: FilterNode[]): FilterNode[] {
    if (first.length === 0 || second.length === 0) return first.length === 0 ? second : first
    const shift = first.length
    const moved = second.map((node): FilterNode => {
        switch (node.tag) {
            case 'all':
            case 'any':
                return { tag: node.tag, val: node.val.map(child => child + shift) }
            case 'negate':
                return { tag: 'negate', val: node.val + shift }
            case 'condition':
                return node
        }
    })
    const nodes = [...first, ...moved]
    nodes.push({ tag: 'all', val: Uint32Array.of(shift - 1, nodes.length - 1) })
    return nodes
}

function invalid(reason: string): SkerryError {
    return new SkerryError('invalid', `the filter cannot be used: ${reason}`)
}
