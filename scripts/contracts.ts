import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAsyncApi } from '../src/documents/async-api.js';
import { createOpenApi } from '../src/documents/open-api.js';
import { createReference } from '../src/documents/reference/index.js';
import { readArguments, refuseArguments } from './arguments.js';

const USAGE = `Describes the wire: REST as OpenAPI 3.1, events as AsyncAPI 3.0, both as JSON, and both together as an HTML page.

  npm run --silent contracts openapi     prints one of the documents
  npm run --silent contracts asyncapi
  npm run contracts -- html              writes the page, reference.html
  npm run contracts -- --out <directory> writes openapi.json, asyncapi.json and reference.html
`;

const { values, positionals } = readArguments(USAGE, { options: { out: { type: 'string' } }, allowPositionals: true });

const toText = (document: object): string => `${JSON.stringify(document, null, 2)}\n`;
const documents: ReadonlyMap<string, () => string> = new Map([
  ['openapi', () => toText(createOpenApi())],
  ['asyncapi', () => toText(createAsyncApi())],
]);
const PAGE = 'reference.html';

const [name = ''] = positionals;
const print = documents.get(name);
if (values.out !== undefined && positionals.length === 0) {
  await mkdir(values.out, { recursive: true });
  for (const [key, create] of documents) await writeFile(join(values.out, `${key}.json`), create());
  await writeFile(join(values.out, PAGE), createReference());
} else if (positionals.length !== 1 || values.out !== undefined || (name !== 'html' && print === undefined)) {
  refuseArguments(USAGE, 'Say openapi, asyncapi or html, or --out with a directory');
} else if (print !== undefined) {
  process.stdout.write(print());
} else {
  await writeFile(PAGE, createReference());
  process.stdout.write(`wrote ${PAGE}\n`);
}
