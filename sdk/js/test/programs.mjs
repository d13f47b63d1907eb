// A hub and a node as people run them.

import { spawn, execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const programs = process.env.SKERRY_PROGRAMS
const environment = { PATH: process.env.PATH, SKERRY_LOG: 'warn', SKERRY_COMPONENTS: process.env.SKERRY_COMPONENTS }

// Starts a program and waits for the address that it prints.
async function start(name, args, env) {
    const child = spawn(join(programs, name), args, { env: { ...environment, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise((resolve, reject) => {
        createInterface({ input: child.stdout }).once('line', resolve)
        child.once('exit', code => reject(new Error(`${name} ended with ${code}`)))
    })
    return { child, url: /http:\/\/\S+/.exec(line)[0] }
}

// Killed, as a power cut would.
function kill(child) {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    return ended
}

export async function startHub() {
    const store = await mkdtemp(join(tmpdir(), 'skerry-hub-'))
    const env = { SKERRY_HUB_STORE: store }
    const serve = listen => start('skerry-hub', ['serve', '--listen', listen], env)
    let running = await serve('127.0.0.1:0')
    const address = new URL(running.url).host
    const token = execFileSync(join(programs, 'skerry-hub'), ['token', 'create', '--all', '--access', 'write'], { env: { ...environment, ...env } })
    return {
        url: `ws://${address}`,
        token: String(token).trim(),
        kill: () => kill(running.child),
        async restart() {
            running = await serve(address)
        },
        async end() {
            await kill(running.child)
            await rm(store, { recursive: true })
        },
    }
}

export async function startNode(hub, project) {
    const data = await mkdtemp(join(tmpdir(), 'skerry-node-'))
    const args = ['--data', data, 'serve', '--listen', '127.0.0.1:0', '--hub', hub.url, '--subscribe', project]
    const { child, url } = await start('skerry', args, { SKERRY_HUB_TOKEN: hub.token })
    const ask = async (method, path, body) => {
        const response = await fetch(`${url}/api/v1${path}`, {
            method,
            headers: { 'content-type': 'application/json' },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
        return { status: response.status, body: await response.json() }
    }
    return {
        ask,
        // The hub tells a node of changes by and by; what is waited for is the state, not a time.
        async until(what, look) {
            for (const begun = Date.now(); Date.now() - begun < 60_000; ) {
                const seen = await look()
                if (seen) return seen
                await new Promise(resolve => setTimeout(resolve, 50))
            }
            throw new Error(`${what} did not happen within a minute`)
        },
        async end() {
            await kill(child)
            await rm(data, { recursive: true })
        },
    }
}
