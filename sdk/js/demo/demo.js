// Searches a snapshot in this tab: `index.html?snapshot=cwe.wasm`, `snapshot.wasm` when nothing is said. With
// `&trusted=<public key, hex>` only one that this key has signed. After loading no request leaves the tab.

import { openEmbedder, hasRelaxedSimd, Snapshot } from './skerry/index.js'

const element = id => document.getElementById(id)
const settings = new URLSearchParams(location.search)
const milliseconds = value => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`

// Keeps every file for the next visit, so that the page also opens where there is no network.
async function keepForLater() {
    if (!('serviceWorker' in navigator)) return
    await navigator.serviceWorker.register('worker.js')
    await navigator.serviceWorker.ready
    if (!navigator.serviceWorker.controller) {
        await new Promise(resolve => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
    }
    // What was fetched before the worker was there goes past it once more; all of it is small.
    const before = performance.getEntriesByType('resource').map(({ name }) => name)
    await Promise.all([location.href, ...before].filter(url => url.startsWith('http')).map(url => fetch(url)))
}

function showNetwork() {
    element('network').textContent = navigator.onLine ? 'online' : 'offline'
    element('network').classList.toggle('offline', !navigator.onLine)
}
addEventListener('online', showNetwork)
addEventListener('offline', showNetwork)
showNetwork()

// Fetches with a bar that shows how much is there.
async function load(address, progress) {
    const response = await fetch(address)
    if (!response.ok) throw new Error(`${address} was answered with ${response.status}`)
    const bytes = Number(response.headers.get('content-length') ?? 0)
    const parts = []
    let done = 0
    for (const reader = response.body.getReader(); ; ) {
        const { done: ended, value } = await reader.read()
        if (ended) break
        parts.push(value)
        done += value.length
        progress(bytes ? done / bytes : 0)
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer())
}

function excerptOf(snapshot, text, query) {
    const { text: part, marks, cutBefore, cutAfter } = snapshot.excerpt(text, query, 260)
    const utf8 = new TextEncoder().encode(part)
    const read = (from, to) => new TextDecoder().decode(utf8.subarray(from, to))
    const paragraph = document.createElement('p')
    paragraph.className = 'excerpt'
    let at = 0
    if (cutBefore) paragraph.append('… ')
    for (const { start, end } of marks) {
        const mark = document.createElement('mark')
        mark.textContent = read(start, end)
        paragraph.append(read(at, start), mark)
        at = end
    }
    paragraph.append(read(at, utf8.length), cutAfter ? ' …' : '')
    return paragraph
}

function hitOf(snapshot, hit, query) {
    const item = document.createElement('li')
    item.dataset.key = hit.key
    item.dataset.score = hit.score
    const title = document.createElement('div')
    title.className = 'title'
    const name = document.createElement('span')
    const key = document.createElement('code')
    key.textContent = hit.key
    const said = hit.record?.data?.name ?? hit.record?.data?.title
    name.append(key, typeof said === 'string' ? ` ${said}` : '')
    const score = document.createElement('span')
    score.className = 'score'
    score.textContent = hit.vectorScore === undefined ? hit.score.toFixed(3) : `${hit.score.toFixed(3)} · cosine ${hit.vectorScore.toFixed(3)}`
    title.append(name, score)
    const bar = document.createElement('div')
    bar.className = 'bar'
    const filled = document.createElement('i')
    filled.style.width = `${Math.max(0, Math.min(1, hit.score)) * 100}%`
    bar.append(filled)
    item.append(title, bar)
    if (hit.record?.text) item.append(excerptOf(snapshot, hit.record.text, query))
    return item
}

async function main() {
    await keepForLater().catch(error => console.warn('the page will not open offline:', error))
    const begun = performance.now()
    const options = settings.has('trusted') ? { trusted: settings.getAll('trusted') } : {}
    const model = `skerry/model/${hasRelaxedSimd() ? 'embedding' : 'embedding-simd128'}.wasm`
    const progress = element('progress')
    const [file, modelBytes] = await Promise.all([
        load(settings.get('snapshot') ?? 'snapshot.wasm', () => {}),
        load(model, share => (progress.value = share)),
    ])
    const fetched = performance.now()
    const embedder = await openEmbedder({ relaxed: modelBytes, plain: modelBytes })
    const snapshot = await Snapshot.open(file, { ...options, embedder })
    // The first text is slower, since the engine compiles what it sees for the first time.
    await snapshot.query({ text: 'warm up', k: 1 })
    const opened = performance.now()
    progress.hidden = true

    const { manifest } = snapshot
    element('about').textContent = `${manifest.project}: ${manifest.records.toLocaleString('en')} records, searched by meaning on this device`
    const facts = [
        `version ${manifest.version.slice(0, 16)}`,
        `model ${embedder.model.name}, ${hasRelaxedSimd() ? 'relaxed' : 'plain'} SIMD`,
        `snapshot ${(file.length / 1e6).toFixed(1)} MB, model ${(modelBytes.length / 1e6).toFixed(1)} MB`,
        `fetched in ${milliseconds(fetched - begun)}, checked and opened in ${milliseconds(opened - fetched)}`,
        snapshot.signer ? `signed by ${snapshot.signer.slice(0, 16)}…` : 'not signed',
    ]
    element('facts').textContent = facts.join(' · ')

    let waiting
    let asked = 0
    async function search() {
        clearTimeout(waiting)
        const turn = (asked += 1)
        const text = element('text').value.trim()
        const mode = document.querySelector('input[name=mode]:checked').value
        if (text === '') {
            element('hits').replaceChildren()
            element('hits').dataset.query = ''
            element('timing').textContent = ''
            return
        }
        const from = performance.now()
        try {
            const answer = await snapshot.query({ text, mode, k: 8 })
            // Something else was asked while this one was answered.
            if (turn !== asked) return
            const answered = performance.now()
            element('hits').replaceChildren(...answer.hits.map(hit => hitOf(snapshot, hit, text)))
            const { embedMs, searchMs } = answer.timing
            const shownMs = performance.now() - answered
            const total = document.createElement('b')
            total.textContent = milliseconds(performance.now() - from)
            element('timing').replaceChildren(
                total,
                ` = ${milliseconds(embedMs)} embedding + ${milliseconds(searchMs)} searching + ${milliseconds(shownMs)} showing`,
            )
            element('hits').dataset.query = text
            element('hits').dataset.mode = mode
        } catch (error) {
            element('timing').textContent = error.message
        }
    }
    element('text').addEventListener('input', () => {
        clearTimeout(waiting)
        // A pause too short to notice: what is typed in one go is searched once.
        waiting = setTimeout(search, 30)
    })
    element('search').addEventListener('submit', event => {
        event.preventDefault()
        void search()
    })
    element('modes').addEventListener('change', () => void search())
    element('text').disabled = false
    element('text').focus()
    document.body.dataset.ready = 'yes'
}

main().catch(error => {
    element('about').textContent = error.message
    element('about').className = 'error'
    document.body.dataset.ready = 'failed'
})
