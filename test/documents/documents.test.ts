import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import asyncApiSpecifications from '@asyncapi/specs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import type { Contract } from '#shared/contracts/contract.js';
import { type PublishedNamespace, publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { createAsyncApi } from '../../src/documents/async-api.js';
import { createOpenApi } from '../../src/documents/open-api.js';
import { createIntegrations } from '../../src/integrations/index.js';
import { projectDirectory, runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { follow } from './hold.js';

const asJson = <T>(document: T): T => JSON.parse(JSON.stringify(document));

/** Everything that `context` could be asked for while integrations are declared, before anything is done with it. */
// biome-ignore lint/suspicious/noExplicitAny: it stands for every type
const anything: any = new Proxy(() => anything, { get: () => anything, apply: () => anything });
// Integrations copy their context, and a copy has only what is its own: this is asked for at once.
const own = { ...anything, config: anything, models: anything, onHeard: anything };
const integrations = createIntegrations(new Proxy(own, { get: () => anything }));

test('the OpenAPI document is valid', async () => {
  expect(await new Validator().validate(asJson(createOpenApi()))).toMatchObject({ valid: true });
  const broken = { ...asJson(createOpenApi()), info: {} };
  expect(await new Validator().validate(broken)).toMatchObject({ valid: false });
});

test('the AsyncAPI document is valid', () => {
  // The specification brings its own copy of the meta-schema.
  const ajv = addFormats.default(new Ajv({ strict: false, meta: false, validateSchema: false }));
  const validate = ajv.compile(asyncApiSpecifications.schemas['3.0.0'] as object);
  validate(asJson(createAsyncApi()));
  expect(validate.errors).toBe(null);
  expect(JSON.stringify(createAsyncApi()).length).toBeLessThan(350_000);
  expect(validate({ ...asJson(createAsyncApi()), channels: [] })).toBe(false);
});

test('every reference within a document resolves', () => {
  for (const document of [asJson(createOpenApi()), asJson(createAsyncApi())]) {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, reference = '']) => reference,
    );
    expect(references).not.toEqual([]);
    expect(references.filter((reference) => follow(document, reference) === undefined)).toEqual([]);
  }
});

test('the documents describe exactly the mounted routes and events', () => {
  const mountedRoutes = integrations.flatMap(({ routes = [] }) => routes.map(({ route }) => route));
  const publishedRoutes = publishedContracts.flatMap(({ contract }) => Object.values(contract.routes));
  const toName = ({ method, path }: { method: string; path: string }): string => `${method} ${path}`;
  const publishing =
    'routes of the contracts in `wire` of shared/contracts/index.ts, and those that integrations mount';
  expect(publishedRoutes.map(toName).sort(), publishing).toEqual(mountedRoutes.map(toName).sort());
  expect(new Set(publishedRoutes)).toEqual(new Set(mountedRoutes));

  const mounted = integrations.flatMap(({ mounts = [] }) =>
    mounts.flatMap(({ namespaces, events }) =>
      namespaces.flatMap((namespace) => Object.keys(events).map((event) => `${namespace} ${event}`)),
    ),
  );
  const published = publishedContracts.flatMap(({ contract, namespaces }) =>
    namespaces.flatMap((namespace) => Object.keys(contract.clientEvents).map((event) => `${namespace} ${event}`)),
  );
  expect(published.sort()).toEqual(mounted.sort());
  const received = Object.entries(createAsyncApi().operations).filter(
    ([id, { action }]) => action === 'receive' && !id.endsWith('.on.connect'),
  );
  expect(received).toHaveLength(mounted.length);
});

test('the documents describe the existing namespaces and their scopes', () => {
  const open = integrations.flatMap(({ namespaces = [] }) => namespaces.map(({ name, scopes }) => ({ name, scopes })));
  const published = Object.entries<PublishedNamespace>(publishedNamespaces).map(([name, { scopes }]) => ({
    name,
    scopes: scopes ?? [],
  }));
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  expect(published.sort(byName)).toEqual(open.sort(byName));
});

test('every contract is published', async () => {
  const folder = join(projectDirectory, 'shared/contracts/');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ts') && name !== 'index.ts');
  const modules: object[] = await Promise.all(files.map((name) => import(folder + name)));
  const isContract = (value: unknown): value is Contract =>
    typeof value === 'object' && value !== null && 'clientEvents' in value && 'routes' in value;
  const declared = modules.flatMap((module) => Object.values(module)).filter(isContract);
  const published = new Set<Contract>(publishedContracts.map(({ contract }) => contract));
  const forgotten = declared.filter((contract) => !published.has(contract)).map(({ name }) => name);
  expect(forgotten, 'contracts without a line in `wire` of shared/contracts/index.ts').toEqual([]);
  expect(published.size).toBe(new Set(declared).size);
});

test('the schema of a batch matches what it accepts', () => {
  const { paths } = asJson(createOpenApi());
  expect(paths['/emit']).toMatchObject({
    post: {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { required: ['items'], properties: { items: { maxItems: 1000 } } } } },
      },
    },
  });
  expect(paths['/emit/{userId}/{event}']).toMatchObject({
    post: {
      requestBody: { required: false },
      parameters: [
        { name: 'userId', in: 'path', required: true, schema: { type: 'string', maxLength: 128 } },
        { name: 'event', in: 'path', required: true },
        { name: 'namespace', in: 'query', required: false, schema: { default: '/v1/shared' } },
        { name: 'durable', in: 'query', required: false },
        { name: 'ttl', in: 'query', required: false },
        { name: 'push', in: 'query', required: false },
        { name: 'push_after', in: 'query', required: false },
        { name: 'idempotency-key', in: 'header', required: false, schema: { maxLength: 128 } },
      ],
    },
  });
});

test('the script prints a document or writes both', async () => {
  const directory = await temporaryDirectory();
  expect(await runScript('scripts/contracts.ts', ['--out', directory])).toMatchObject({ code: 0 });
  expect(JSON.parse(await readFile(join(directory, 'asyncapi.json'), 'utf8'))).toEqual(asJson(createAsyncApi()));
  const { stdout } = await runScript('scripts/contracts.ts', ['openapi']);
  expect(stdout).toBe(await readFile(join(directory, 'openapi.json'), 'utf8'));
  expect(await runScript('scripts/contracts.ts', ['swagger'])).toMatchObject({ code: 2, stdout: '' });
});
