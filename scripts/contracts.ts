import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAsyncApi } from '../src/documents/async-api.js';
import { createOpenApi } from '../src/documents/open-api.js';

const USAGE = `Describes the wire: REST as OpenAPI 3.1, events as AsyncAPI 3.0, both as JSON.

  npm run --silent contracts openapi     prints one of them
  npm run --silent contracts asyncapi
  npm run contracts -- --out <directory> writes openapi.json and asyncapi.json
`;

const { values, positionals } = parseArgs({
  options: { out: { type: 'string' }, help: { type: 'boolean', default: false } },
  allowPositionals: true,
});

const documents: ReadonlyMap<string, object> = new Map<string, object>([
  ['openapi', createOpenApi()],
  ['asyncapi', createAsyncApi()],
]);
const toText = (document: object): string => `${JSON.stringify(document, null, 2)}\n`;

const [name] = positionals;
const chosen = name === undefined ? undefined : documents.get(name);
if (values.out !== undefined && name === undefined) {
  await mkdir(values.out, { recursive: true });
  for (const [key, document] of documents) await writeFile(join(values.out, `${key}.json`), toText(document));
} else if (chosen !== undefined && positionals.length === 1 && values.out === undefined) {
  process.stdout.write(toText(chosen));
} else {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
}
