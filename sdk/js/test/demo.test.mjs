// The demo page in a real browser, with and without a network.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { launch, listen, serve } from './browser.mjs'
import { expected, fixture, folder } from './package.mjs'

// Queries that the page can ask: it takes eight hits.
const asked = expected.queries.filter(({ query }) => query.k === 8 && Object.keys(query).every(name => ['text', 'k', 'mode'].includes(name)))

async function search(page, { text, mode = 'hybrid' }) {
    await page.check(`input[name=mode][value=${mode}]`)
    // Typed as people type: each letter is an event.
    await page.fill('#text', '')
    await page.locator('#text').pressSequentially(text)
    await page.waitForFunction(([text, mode]) => {
        const { query, mode: by } = document.getElementById('hits').dataset
        return query === text && by === mode
    }, [text, mode])
    return page.$$eval('#hits li', items => items.map(({ dataset }) => ({ key: dataset.key, score: Number(dataset.score) })))
}

function hits({ query, expected }) {
    return expected.hits.slice(0, query.k).map(({ key, score }) => ({ key, score }))
}

test('the demo page', async t => {
    assert.equal(asked.length, 3)
    const server = await serve({ '/snapshot.wasm': () => join(fixture, 'docs.wasm'), '/': join(folder, 'demo') })
    const browser = await launch()
    t.after(() => browser.close())
    const context = await browser.newContext({ viewport: { width: 1000, height: 900 } })
    const page = await context.newPage()
    listen(page)
    let requests = 0
    page.on('request', () => (requests += 1))
    await page.goto(`${server.url}/?trusted=${expected.key}`)
    await page.waitForSelector('body[data-ready]')
    assert.equal(await page.getAttribute('body', 'data-ready'), 'yes', await page.textContent('#about'))

    await t.test('finds what our host finds', async () => {
        requests = 0
        for (const one of asked) assert.deepEqual(await search(page, one.query), hits(one))
        assert.match(await page.textContent('#timing'), /ms embedding \+ .* ms searching/)
        assert.equal(requests, 0, 'searching asks nobody')
    })

    await t.test('gives the same bits', async () => {
        const bytes = await page.evaluate(async calls => {
            const { openEmbedder, hasRelaxedSimd } = await import('./skerry/index.js')
            if (!hasRelaxedSimd()) throw new Error('a current Chromium has relaxed SIMD')
            const embedder = await openEmbedder()
            const numbers = calls.flatMap(texts => embedder.embed(texts).map(({ vector }) => [...vector]))
            return numbers.flat()
        }, expected.calls)
        assert.equal(createHash('sha256').update(new Uint8Array(Float32Array.from(bytes).buffer)).digest('hex'), expected.digest)
    })

    await t.test('goes on without a network', async () => {
        await context.setOffline(true)
        await server.close()
        assert.equal(await page.textContent('#network'), 'offline')
        for (const one of asked) assert.deepEqual(await search(page, one.query), hits(one))
    })

    await t.test('opens again without a network', async () => {
        await page.reload()
        await page.waitForSelector('body[data-ready]')
        assert.equal(await page.getAttribute('body', 'data-ready'), 'yes', await page.textContent('#about'))
        for (const one of asked) assert.deepEqual(await search(page, one.query), hits(one))
        if (process.env.SKERRY_SCREENSHOT) await page.screenshot({ path: process.env.SKERRY_SCREENSHOT })
    })
})
