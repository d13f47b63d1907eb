// Makes the npm package of the components: `cargo xtask npm` calls it.
//
//   node build.mjs MODULES COMPONENTS MODEL OUT
//
// MODULES is the folder where `npm ci` installed package.json, COMPONENTS and MODEL are target/skerry/components and .../model.
// OUT/skerry becomes the package, OUT/demo the demo page with all that it needs.

import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const [modules, components, model, out] = process.argv.slice(2).map(path => resolve(path))
const installed = createRequire(join(modules, 'package.json'))
const { transpile } = await import(pathToFileURL(installed.resolve('@bytecodealliance/jco-transpile')))
const esbuild = installed('esbuild')

const work = `${out}.partial`
await rm(work, { recursive: true, force: true })
const [source, made] = [join(work, 'source'), join(work, 'skerry')]
await cp(join(here, 'src'), source, { recursive: true })
await symlink(join(modules, 'node_modules'), join(work, 'node_modules'))

// Of the embedding component either build does: their interfaces are the same, and so is what jco makes of them.
const glues = { query: 'query.wasm', geometry: 'geometry.wasm', embedding: 'unbaked/embedding.wasm' }
for (const [name, file] of Object.entries(glues)) await makeGlue(name, join(components, file))
await compileSources()
await addShapes()
await addFiles()
await rm(join(out, 'skerry'), { recursive: true, force: true })
await mkdir(out, { recursive: true })
await rename(made, join(out, 'skerry'))
await makeDemo()
await rm(work, { recursive: true })

// JavaScript that runs a component, without its core modules: those come from the component at run time.
async function makeGlue(name, component) {
    const { files } = await transpile(component, { outDir: '', name, instantiation: 'async', nodejsCompat: false })
    for (const [path, bytes] of Object.entries(files)) {
        if (path.endsWith('.wasm')) continue
        let text = new TextDecoder().decode(bytes)
        if (path.endsWith('.js')) ({ code: text } = await esbuild.transform(text, { format: 'esm', minify: true, target: 'es2022' }))
        if (path === `${name}.d.ts`) text += '\n/** Digest of the interface that this is for; see component.ts. */\nexport const shape: string;\n'
        const to = join(source, 'glue', path)
        await mkdir(join(to, '..'), { recursive: true })
        await writeFile(to, text)
    }
}

async function compileSources() {
    // The nearest package.json tells the compiler that these are ES modules.
    await cp(join(here, 'npm.json'), join(work, 'package.json'))
    await cp(join(here, 'tsconfig.json'), join(work, 'tsconfig.json'))
    const tsc = join(modules, 'node_modules/typescript/bin/tsc')
    execFileSync(process.execPath, [tsc, '--project', work], { stdio: 'inherit' })
}

// The glue is only for components of the shape that it was made of; our own code says what that is.
async function addShapes() {
    await cp(join(source, 'glue'), join(made, 'glue'), { recursive: true })
    const { coreModules, shapeOf } = await import(pathToFileURL(join(made, 'component.js')))
    for (const [name, file] of Object.entries(glues)) {
        const bytes = await readFile(join(components, file))
        const path = join(made, 'glue', `${name}.js`)
        const code = await readFile(path, 'utf8')
        // jco numbers the core modules in the order of their sections, which component.ts relies on.
        const numbers = new Set([...code.matchAll(/\.core(\d*)\.wasm/g)].map(([, number]) => Number(number || 1)))
        const count = coreModules(bytes).length
        if (numbers.size !== count || Math.max(...numbers) !== count) throw new Error(`${name} has ${count} core modules, its glue loads ${[...numbers]}`)
        await writeFile(path, `${code}export const shape = '${await shapeOf(bytes)}'\n`)
    }
}

async function addFiles() {
    const copies = {
        'npm.json': 'package.json',
        'README.md': 'README.md',
        '../../LICENSE': 'LICENSE',
    }
    for (const [from, to] of Object.entries(copies)) await cp(join(here, from), join(made, to))
    for (const file of ['query.wasm', 'geometry.wasm']) await cp(join(components, file), join(made, 'core', file))
    for (const file of ['embedding.wasm', 'embedding-simd128.wasm']) await cp(join(components, file), join(made, 'model', file))
    await cp(join(model, 'LICENSE'), join(made, 'model', 'LICENSE'))
}

// The page as a web server has to hand it out: plain files beside one another.
async function makeDemo() {
    const demo = join(out, 'demo')
    await rm(demo, { recursive: true, force: true })
    await cp(join(here, 'demo'), demo, { recursive: true }).catch(error => {
        if (error.code !== 'ENOENT') throw error
    })
    await mkdir(demo, { recursive: true })
    await cp(join(out, 'skerry'), join(demo, 'skerry'), { recursive: true })
    for (const name of await readdir(join(demo, 'skerry'))) {
        if (name === 'replica' || name === 'README.md') await rm(join(demo, 'skerry', name), { recursive: true })
    }
}
