// A tab as a replica: a real browser, a real hub and a real node.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { esbuild, launch, listen, serve } from './browser.mjs'
import { folder } from './package.mjs'
import { startHub, startNode } from './programs.mjs'

const PROJECT = 'notes'

// Everything in one file, as a bundler makes it for an app; beside the package's files, where it looks for its components.
async function bundle(into) {
    const modules = join(resolve(process.env.SKERRY_SDK_NODE), 'node_modules')
    await esbuild.build({
        entryPoints: [join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, 'replica-page.js')],
        outfile: join(into, 'replica-page.js'),
        bundle: true,
        format: 'esm',
        platform: 'browser',
        logLevel: 'error',
        nodePaths: [modules],
        alias: {
            skerry: join(folder, 'skerry/index.js'),
            'skerry/replica': join(folder, 'skerry/replica/index.js'),
            // With the bytes of its module in it; the one for bundlers imports them as a module, which esbuild does not do.
            '@automerge/automerge/slim': join(modules, '@automerge/automerge/dist/mjs/entrypoints/slim.js'),
            '@automerge/automerge': join(modules, '@automerge/automerge/dist/mjs/entrypoints/fullfat_base64.js'),
        },
    })
    await writeFile(join(into, 'index.html'), '<!doctype html><title>replica</title><script type="module" src="replica-page.js"></script>')
}

test('a tab is a replica', async t => {
    const pages = await mkdtemp(join(tmpdir(), 'skerry-page-'))
    t.after(() => rm(pages, { recursive: true }))
    await bundle(pages)
    const server = await serve({ '/app/': pages, '/app': join(folder, 'skerry') })
    t.after(() => server.close())
    const hub = await startHub()
    t.after(() => hub.end())
    const node = await startNode(hub, PROJECT)
    t.after(() => node.end())
    const browser = await launch()
    t.after(() => browser.close())
    const page = await (await browser.newContext()).newPage()
    listen(page)

    const open = async () => {
        await page.goto(`${server.url}/app/`)
        await page.waitForFunction(() => globalThis.skerry !== undefined)
        await page.evaluate(async ({ project, url, token }) => {
            const { openEmbedder, Replica } = globalThis.skerry
            let embedder
            globalThis.replica = await Replica.open({ project, url, token, retryMs: 100, embedder: () => (embedder ??= openEmbedder()) })
            globalThis.changes = []
            globalThis.replica.subscribe(changes => globalThis.changes.push(...changes.map(({ key }) => key)))
        }, { project: PROJECT, url: hub.url, token: hub.token })
    }
    // Undefined would be told from null by nobody on the way.
    const record = async key => (await page.evaluate(key => replica.get(key).then(found => found ?? null), key)) ?? undefined
    const finds = (text, mode) => page.evaluate(async ([text, mode]) => {
        await replica.indexed()
        const { hits } = await replica.query({ text, mode, k: 3 })
        return hits.map(({ key }) => key)
    }, [text, mode])
    const version = () => page.evaluate(() => replica.version())
    const settle = () => page.waitForFunction(() => replica.isConnected && replica.unsynced() === 0)
    const atNode = (key, text) => node.until(`the node has ${key}`, async () => (await node.ask('GET', `/projects/${PROJECT}/records/${key}`)).body.text === text)

    await t.test('what it writes before it ever met the hub reaches the node', async () => {
        await hub.kill()
        await open()
        await page.evaluate(() => replica.publish([
            { key: 'tide', text: 'High water at noon, spring tide', data: { source: { name: 'almanac' }, heights: [3.2, 4] }, layers: ['coast'] },
            { key: 'pilot', text: 'The pilot boards near the lighthouse', links: [{ type: 'about', members: [{ role: 'of', key: 'pilot' }, { role: 'to', key: 'tide' }] }] },
        ]))
        assert.deepEqual(await finds('when does the sea rise', 'vector').then(([first]) => first), 'tide')
        assert.equal(await page.evaluate(() => replica.isConnected), false)
        await hub.restart()
        await atNode('tide', 'High water at noon, spring tide')
        const { body } = await node.ask('GET', `/projects/${PROJECT}/records/pilot`)
        assert.deepEqual(body.links[0].members, [{ role: 'of', key: 'pilot' }, { role: 'to', key: 'tide' }])
    })

    await t.test('what the node writes is found in the tab', async () => {
        const records = [{ key: 'beacon', text: 'A lamp on the rocks warns ships at night', data: { lit: true } }]
        const { status, body } = await node.ask('POST', `/projects/${PROJECT}/records`, { records })
        assert.equal(status, 200, JSON.stringify(body))
        await page.waitForFunction(() => globalThis.changes.includes('beacon'))
        assert.deepEqual((await record('beacon')).data, { lit: true })
        assert.equal((await finds('light that keeps vessels off the cliffs', 'vector'))[0], 'beacon')
        assert.equal((await finds('lamp', 'keyword'))[0], 'beacon')
    })

    await t.test('both sides write while they do not see each other, and become equal', async () => {
        await settle()
        await hub.kill()
        await page.evaluate(() => replica.publish([{ key: 'tide', text: 'High water at one', data: { source: { name: 'almanac' } }, layers: ['coast'] }]))
        await page.evaluate(() => replica.delete(['pilot']))
        await node.ask('POST', `/projects/${PROJECT}/records`, { records: [{ key: 'harbour', text: 'Three berths are free' }] })
        assert.equal(await page.evaluate(() => replica.unsynced() > 0), true)
        await hub.restart()
        await atNode('tide', 'High water at one')
        await node.until('the node knows of the deletion', async () => (await node.ask('GET', `/projects/${PROJECT}/records/pilot`)).status === 404)
        await page.waitForFunction(() => globalThis.changes.includes('harbour'))
        await settle()
        await node.until('both are at one version', async () => {
            const { body } = await node.ask('GET', `/projects/${PROJECT}`)
            return body.version === (await version())
        })
    })

    await t.test('opened again without the hub it has everything', async () => {
        const before = await page.evaluate(() => replica.records())
        const versionBefore = await version()
        assert.deepEqual(before.map(({ key }) => key), ['beacon', 'harbour', 'tide'])
        await hub.kill()
        await open()
        assert.deepEqual(await page.evaluate(() => replica.records()), before)
        assert.equal(await version(), versionBefore)
        // The vectors are kept, too: nothing waits to be embedded.
        assert.equal(await page.evaluate(() => replica.query({ text: 'x', mode: 'keyword' }).then(answer => answer.vectorsPending)), 0)
        assert.equal((await finds('light that keeps vessels off the cliffs', 'vector'))[0], 'beacon')
        await page.evaluate(() => replica.publish([{ key: 'offline', text: 'Written after a reload' }]))
        await hub.restart()
        await atNode('offline', 'Written after a reload')
    })

    await t.test('an erasure elsewhere reaches the tab, which goes on in the new documents', async () => {
        await settle()
        const { status, body } = await node.ask('POST', `/projects/${PROJECT}/erase`, { keys: ['beacon'] })
        assert.equal(status, 200, JSON.stringify(body))
        await node.until('the tab has forgotten it', async () => (await record('beacon')) === undefined)
        assert.deepEqual(await page.evaluate(() => replica.records().map(({ key }) => key)), ['harbour', 'offline', 'tide'])
        assert.deepEqual(await finds('lamp', 'keyword'), [])
        await page.evaluate(() => replica.publish([{ key: 'after', text: 'Written in the new epoch' }]))
        await atNode('after', 'Written in the new epoch')
        await node.until('both are at one version', async () => {
            const { body } = await node.ask('GET', `/projects/${PROJECT}`)
            return body.version === (await version())
        })
    })
    await t.test('what it wrote offline is carried into documents that were cut meanwhile, but for what was erased', async () => {
        await settle()
        await page.evaluate(() => replica.disconnect())
        await page.evaluate(() => replica.publish([{ key: 'late', text: 'Written into the old documents' }, { key: 'tide', text: 'Erased elsewhere' }]))
        const { body } = await node.ask('POST', `/projects/${PROJECT}/erase`, { keys: ['tide'] })
        await node.until('the hub has the new documents', async () => {
            const { hub } = (await node.ask('GET', '/status')).body
            return hub.projects.every(({ state }) => state === 'settled')
        })
        assert.equal(body.epoch.number, 2)
        await page.evaluate(() => replica.connect())
        await atNode('late', 'Written into the old documents')
        await node.until('the tab has it, too', async () => (await record('late')) !== undefined && (await record('tide')) === undefined)
        assert.equal((await node.ask('GET', `/projects/${PROJECT}/records/tide`)).status, 404)
    })
})
