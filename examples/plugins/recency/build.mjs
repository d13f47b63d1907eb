// Builds recency.js into a component that imports nothing: `node build.mjs WIT_FOLDER OUTPUT`.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { componentize } from '@bytecodealliance/componentize-js';

const [witPath, output] = process.argv.slice(2);
const { component, imports } = await componentize({
  sourcePath: fileURLToPath(new URL('recency.js', import.meta.url)),
  witPath,
  worldName: 'reranker',
  // Without these the JavaScript engine asks its host for WASI, which a Skerry node does not have.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
if (imports.length > 0) throw new Error(`the plugin imports ${JSON.stringify(imports)}`);
await writeFile(output, component);
