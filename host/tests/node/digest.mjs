// Runs an embedding component on Node and prints the SHA-256 of its vectors.
//
//   node digest.mjs MODULES COMPONENT < calls.json
//
// MODULES is the folder where `npm ci` installed package.json, calls.json a list of calls, each a list of texts. jco turns the
// component into a core module and JavaScript, which are written into a temporary folder.

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, component] = process.argv.slice(2);
const jco = createRequire(resolve(modules, 'package.json')).resolve('@bytecodealliance/jco-transpile');
const { transpile, writeFiles } = await import(pathToFileURL(jco));

const calls = JSON.parse(await readFile('/dev/stdin', 'utf8'));
const folder = await mkdtemp(join(tmpdir(), 'skerry-node-'));
try {
    const begun = performance.now();
    const { files } = await transpile(component, { outDir: folder, name: 'embedding', noTypescript: true });
    await writeFiles(files);
    const transpiled = performance.now();
    const { embedder } = await import(pathToFileURL(join(folder, 'embedding.js')));
    const digest = createHash('sha256');
    for (const texts of calls) {
        for (const { vector } of embedder.embed(texts)) {
            const bytes = Buffer.alloc(4 * vector.length);
            vector.forEach((number, index) => bytes.writeFloatLE(number, 4 * index));
            digest.update(bytes);
        }
    }
    console.log(digest.digest('hex'));
    const seconds = (from, to) => ((to - from) / 1e3).toFixed(1);
    console.error(`transpiled in ${seconds(begun, transpiled)} s, ran in ${seconds(transpiled, performance.now())} s`);
} finally {
    await rm(folder, { recursive: true });
}
