import { readSource, type Source } from './bytes.js'
import { Guarded, instantiate } from './component.js'
import type { Root } from './glue/geometry.js'

/** The interfaces of the geometry component (wit/geometry, docs/geometry.md), typed as jco hands them over. */
export type Geometry = Omit<Root, `skerry:${string}`>

/** Opens the geometry component: curvature, manifolds, spectra, hypergraphs, time series. It keeps no state between calls. */
export async function openGeometry(source?: Source): Promise<Geometry> {
    const glue = await import('./glue/geometry.js')
    const bytes = await readSource(source ?? new URL('./core/geometry.wasm', import.meta.url))
    const root = await instantiate(glue, bytes, 'the geometry component')
    return guarded(root, new Guarded(root, 'the geometry component'))
}

/** The interfaces with errors of ours; resources are classes and are handed through. */
function guarded(root: Root, component: Guarded<Root>): Geometry {
    const interfaces = Object.entries(root).filter(([name]) => !name.includes(':'))
    const wrapped = interfaces.map(([name, functions]) => {
        const entries = Object.entries(functions as Record<string, unknown>).map(([called, exported]) => {
            const isClass = typeof exported === 'function' && /^class\b/.test(Function.prototype.toString.call(exported))
            if (typeof exported !== 'function' || isClass) return [called, exported]
            return [called, (...values: unknown[]) => component.call(() => exported(...values) as unknown)]
        })
        return [name, Object.fromEntries(entries)]
    })
    return Object.fromEntries(wrapped) as Geometry
}
