// A real browser and a web server for it.

import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { extname, join, normalize, resolve } from 'node:path'

const installed = createRequire(join(resolve(process.env.SKERRY_SDK_NODE), 'package.json'))
export const esbuild = installed('esbuild')
const { chromium } = installed('playwright-core')

// Debian's; another one by this variable.
const program = process.env.SKERRY_CHROMIUM ?? '/usr/bin/chromium'

const FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]

// A browser with an empty profile.
export async function launch() {
    await stat(program).catch(() => {
        throw new Error(`there is no browser at ${program}: install Debian's package chromium, or name one with SKERRY_CHROMIUM`)
    })
    return chromium.launch({ executablePath: program, args: FLAGS, headless: true })
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' }

// Serves folders: the first that has a file wins. `close` ends it with all its connections.
export async function serve(routes) {
    const server = createServer(async (request, response) => {
        const path = normalize(new URL(request.url, 'http://local').pathname).replace(/\/$/, '/index.html')
        for (const [prefix, folder] of Object.entries(routes)) {
            if (!path.startsWith(prefix)) continue
            try {
                const bytes = await readFile(folder instanceof Function ? folder(path) : join(folder, path.slice(prefix.length)))
                response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-length': bytes.length })
                response.end(bytes)
                return
            } catch {
                // The next folder may have it.
            }
        }
        response.writeHead(404).end()
    })
    await new Promise(listening => server.listen(0, '127.0.0.1', listening))
    const close = () => {
        const closed = new Promise(done => server.close(done))
        server.closeAllConnections()
        return closed
    }
    return { url: `http://127.0.0.1:${server.address().port}`, close }
}

// What went wrong in a page, for the test's output. A hub that is away on purpose is nothing wrong.
export function listen(page) {
    page.on('console', message => {
        if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('WebSocket')) console.error(`page: ${message.text()}`)
    })
    page.on('pageerror', error => console.error(`page: ${error.stack}`))
}
