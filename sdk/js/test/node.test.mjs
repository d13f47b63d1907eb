// The package on Node: the same bits and the same answers as our own host.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { comparable, expected, file, fixture, folder, page, skerry } from './package.mjs'

const { Embedder, fieldsOf, hasRelaxedSimd, openEmbedder, openGeometry, Segment, Snapshot, SkerryError } = skerry
const relaxed = process.env.SKERRY_EXPECT_RELAXED === 'yes'
const refused = kind => error => error instanceof SkerryError && error.kind === kind

test('the build that suits this engine is found', () => {
    assert.equal(hasRelaxedSimd(), relaxed)
})

test('vectors have the bits that every host gives', async () => {
    const embedder = await openEmbedder()
    assert.deepEqual(embedder.model, {
        id: expected.model.id,
        name: expected.model.name,
        dimensions: expected.model.dimensions,
        tokensMax: expected.model.tokens_max,
    })
    const digest = createHash('sha256')
    for (const texts of expected.calls) {
        for (const { vector } of embedder.embed(texts)) {
            const bytes = new DataView(new ArrayBuffer(4 * vector.length))
            vector.forEach((number, at) => bytes.setFloat32(4 * at, number, true))
            digest.update(new Uint8Array(bytes.buffer))
        }
    }
    assert.equal(digest.digest('hex'), expected.digest)
    assert.throws(() => embedder.split('a text', 1, 0), SkerryError)
    assert.ok(embedder.tokenize('high water').length >= 4)
})

test('a snapshot answers as our host does', async () => {
    const snapshot = await Snapshot.open(join(fixture, 'docs.wasm'), { trusted: [expected.key] })
    assert.equal(snapshot.manifest.project, 'docs')
    assert.equal(snapshot.signer, expected.key)
    assert.equal(snapshot.segment.describe().documents, expected.records.length)
    for (const asked of expected.queries) {
        const answer = await snapshot.query(asked.query)
        assert.deepEqual(comparable(answer), page(asked), JSON.stringify(asked.query))
    }
    const { key } = expected.records[7]
    assert.deepEqual(snapshot.record(key), expected.records[7])
    assert.equal(snapshot.record('nowhere'), undefined)
    const excerpt = snapshot.excerpt(expected.records[7].text, 'store', 80)
    assert.ok(excerpt.text.length <= 80)
})

test('the model in a snapshot is used where it runs, and the one of the package elsewhere', async () => {
    const snapshot = await Snapshot.open(await file('docs-model.wasm'))
    assert.equal(snapshot.manifest.has_model, true)
    const [asked] = expected.queries
    assert.deepEqual(comparable(await snapshot.query(asked.query)), page(asked))
})

test('a snapshot that was changed is refused, wherever it was changed', async () => {
    const whole = await file('docs-unsigned.wasm')
    await Snapshot.open(whole)
    // Custom sections at the end hold the manifest; everything before it is covered by the part's digest.
    for (const at of [8, 100, 100_000, Math.floor(whole.length / 2), whole.length - 2_000]) {
        const changed = whole.slice()
        changed[at] ^= 1
        await assert.rejects(Snapshot.open(changed), SkerryError, `byte ${at}`)
    }
    const signed = await file('docs.wasm')
    const text = new TextDecoder('latin1').decode(signed)
    const edited = signed.slice()
    edited[text.indexOf('"project":"docs"') + 12] = 'x'.charCodeAt(0)
    await assert.rejects(Snapshot.open(edited), refused('signature'))
    await assert.rejects(Snapshot.open(signed.subarray(0, signed.length - 10)), SkerryError)
    await assert.rejects(Snapshot.open(new Uint8Array([...signed, 0, 2, 1, 97])), refused('integrity'))
})

test('with trusted keys only what they signed is opened', async () => {
    await assert.rejects(Snapshot.open(await file('docs-unsigned.wasm'), { trusted: [expected.key] }), refused('signature'))
    await assert.rejects(Snapshot.open(await file('docs.wasm'), { trusted: ['00'.repeat(32)] }), refused('signature'))
    await assert.rejects(Snapshot.open(await file('docs.wasm'), { trusted: [] }), refused('signature'))
})

test('what is no snapshot is named', async () => {
    await assert.rejects(Snapshot.open(new Uint8Array([1, 2, 3])), refused('format'))
    await assert.rejects(Snapshot.open(await readFile(join(folder, 'skerry/core/query.wasm'))), refused('format'))
    // A component of another interface is not run by glue that would misread its memory.
    await assert.rejects(Segment.open(join(folder, 'skerry/core/geometry.wasm')), refused('format'))
    await assert.rejects(Embedder.open(join(folder, 'skerry/core/query.wasm')), refused('format'))
})

test('a wrong query says what is wrong', async () => {
    const snapshot = await Snapshot.open(await file('docs.wasm'))
    await assert.rejects(snapshot.query({}), refused('invalid'))
    await assert.rejects(snapshot.query({ text: 'a', k: 0 }), refused('invalid'))
    await assert.rejects(snapshot.query({ query: '"not closed' }), refused('invalid'))
    await assert.rejects(snapshot.query({ filter: { field: 'data.pages', value: 'x' } }), error => {
        return refused('unknown-field')(error) && error.message.includes('data.page')
    })
})

test('a segment of one\'s own answers as the baked one', async () => {
    const embedder = await openEmbedder()
    const segment = await Segment.create()
    const documents = expected.records.map(record => {
        const [{ vector }] = embedder.embed([record.text])
        const end = new TextEncoder().encode(record.text).length
        const payload = new TextEncoder().encode(JSON.stringify(record))
        return { key: record.key, text: record.text, chunks: [{ span: { start: 0, end }, vector }], fields: fieldsOf(record), payload }
    })
    const said = documents.map(({ fields }) => fields.map(({ path, value }) => [path, value.tag === 'null' ? null : value.val]))
    assert.deepEqual(said, expected.fields)
    segment.upsert(documents)
    const recordOf = payload => JSON.parse(new TextDecoder().decode(payload))
    for (const asked of expected.queries) {
        const answer = await segment.query(asked.query, async () => embedder, recordOf)
        assert.deepEqual(comparable(answer), page(asked), JSON.stringify(asked.query))
    }
    assert.equal(segment.remove([documents[0].key, 'nowhere']), 1)
    assert.equal(segment.describe().documents, documents.length - 1)
    assert.throws(() => segment.upsert([{ ...documents[0], key: '' }]), refused('invalid'))
})

test('geometry is handed through', async () => {
    const geometry = await openGeometry()
    // A triangle with a tail. Forman's curvature of an edge is four less the degrees of its ends (Sreejith et al., 2016).
    const edges = [[0, 1], [1, 2], [0, 2], [2, 3]].map(([source, target]) => ({ source, target }))
    assert.deepEqual([...geometry.curvature.formanCurvature('plain', 4, edges)], [0, -1, -1, 0])
    assert.throws(() => geometry.curvature.formanCurvature('plain', 2, edges), SkerryError)
})
