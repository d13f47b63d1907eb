// What the tests share: the built package, and what our own host answered.

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

export const folder = resolve(process.env.SKERRY_NPM)
export const fixture = resolve(process.env.SKERRY_FIXTURE)
export const skerry = await import(pathToFileURL(join(folder, 'skerry/index.js')))
export const expected = JSON.parse(await readFile(join(fixture, 'expected.json'), 'utf8'))
export const file = async name => new Uint8Array(await readFile(join(fixture, name)))

// An answer in the words of expected.json.
export function comparable(answer) {
    const hits = answer.hits.map(hit => ({
        key: hit.key,
        score: hit.score,
        vectorScore: hit.vectorScore ?? null,
        keywordScore: hit.keywordScore ?? null,
        chunk: hit.chunk ?? null,
        group: hit.group ?? null,
        vectorPart: hit.explanation?.vectorPart ?? null,
        keywordPart: hit.explanation?.keywordPart ?? null,
        record: hit.record,
    }))
    return { candidates: answer.candidates, approximate: answer.approximate, hits }
}

// What our host said, cut to the page that was asked for: the request asks for one more, to tell whether there is another.
export function page({ query, expected }) {
    return { ...expected, hits: expected.hits.slice(0, query.k ?? 10) }
}
