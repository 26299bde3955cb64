import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { costs } from '#shared/contracts/costs.js';
import { catalogue } from '#shared/contracts/errors.js';
import { configuredNamespaces, publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { createOpenApi } from '../../src/documents/open-api.js';
import { createReference } from '../../src/documents/reference/index.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { startProgram } from '../support/program.js';
import { projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const page = createReference();
const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id = '']) => id);

/** The text of one entry, without tags. */
function textOf(id: string): string {
  const [, text = ''] = new RegExp(`<(article|tr) id="${id.replaceAll('.', '\\.')}"[\\s\\S]*?</\\1>`).exec(page) ?? [];
  const start = page.indexOf(` id="${id}"`);
  const rest = page.slice(start, page.indexOf(`</${text}>`, start));
  return decode(rest.replaceAll(/<[^>]*>/g, ' '));
}

const decode = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

/** Every field name of a JSON Schema that is not behind a reference. */
function fieldNames(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(fieldNames);
  if (schema === null || typeof schema !== 'object') return [];
  const { properties = {}, examples: _, example: __, ...rest } = schema as Record<string, object>;
  return [
    ...Object.keys(properties),
    ...Object.values(properties).flatMap(fieldNames),
    ...Object.values(rest).flatMap(fieldNames),
  ];
}

describe('the reference has', () => {
  test('an anchor for every namespace, event, route, error and type, each once', () => {
    const expected = [
      ...Object.keys({ ...publishedNamespaces, ...configuredNamespaces }).map((name) => `namespace.${name}`),
      ...publishedContracts.flatMap(({ contract: { name, clientEvents, serverEvents, relayed, routes } }) => [
        ...Object.keys(clientEvents).map((event) => `${name}.on.${event}`),
        ...Object.keys(serverEvents).map((event) => `${name}.emit.${event}`),
        ...(relayed === undefined ? [] : [`${name}.emit.relayed`]),
        ...Object.keys(routes).map((route) => `${name}.${route}`),
      ]),
      ...Object.keys(catalogue).map((code) => `error.${code}`),
      ...Object.keys(costs).map((name) => `cost.${name}`),
    ];
    expect(expected.length).toBeGreaterThan(150);
    expect(expected.filter((id) => !ids.includes(id))).toEqual([]);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    const types = Object.keys(createOpenApi().components.schemas);
    expect(types.filter((name) => !ids.includes(`type.${name}`))).toEqual([]);
  });

  test('no link that leads nowhere', () => {
    const links = [...page.matchAll(/ href="#([^"]+)"/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(300);
    expect(links.filter((link) => !ids.includes(link))).toEqual([]);
  });

  test('every event and route with its summary, limit and example', () => {
    for (const { contract, examples } of publishedContracts) {
      const events = [
        ...Object.entries(contract.clientEvents).map(([name, event]) => ({
          id: `on.${name}`,
          event,
          example: examples.clientEvents[name],
        })),
        ...Object.entries(contract.serverEvents).map(([name, event]) => ({
          id: `emit.${name}`,
          event,
          example: examples.serverEvents[name],
        })),
      ];
      for (const { id, event, example } of events) {
        const text = textOf(`${contract.name}.${id}`);
        expect(text, id).toContain(event.summary.replaceAll('`', ' ').split('  ')[0]?.slice(0, 20));
        for (const leaf of leavesOf([example?.payload, example?.answer])) expect(text, id).toContain(leaf);
        if ('costs' in event) expect(text, id).toContain(`1 point and the work : ${event.costs?.join(', ')}`);
        if ('limit' in event && event.limit !== undefined) expect(text, id).toContain(String(event.limit.points));
      }
      for (const [name, example] of Object.entries(examples.routes)) {
        const text = textOf(`${contract.name}.${name}`);
        for (const leaf of leavesOf([example.body, example.answer])) expect(text, name).toContain(leaf);
      }
    }
  });

  test('the type of every field, where it has one', () => {
    const rows = [
      ...page.matchAll(/<td><code><span class="parent">([^<]*)<\/span>([^<]*)<\/code><\/td>\n<td>(.*?)<\/td>/g),
    ];
    expect(rows.length).toBeGreaterThan(500);
    const untyped = rows.filter(([, , , type = '']) => /any value|undefined|\[object/.test(type));
    expect(untyped.map(([, parents, name]) => `${parents}${name}`).sort()).toEqual(['args', 'items[].payload']);
    expect(textOf('type.TeamMessage')).toMatch(/UUID\s+text or null/);
  });

  test('every field of every route', () => {
    const { paths } = JSON.parse(JSON.stringify(createOpenApi()));
    for (const methods of Object.values<
      Record<string, { operationId: string; requestBody?: object; parameters?: { name: string }[] }>
    >(paths)) {
      for (const { operationId, requestBody, parameters = [] } of Object.values(methods)) {
        const names = [...fieldNames(requestBody), ...parameters.map(({ name }) => name)];
        const text = textOf(operationId);
        expect(
          names.filter((name) => !text.includes(name)),
          operationId,
        ).toEqual([]);
      }
    }
  });
});

/** Every text in a value, as JSON writes it. */
function leavesOf(value: unknown): string[] {
  if (typeof value === 'string') return value.includes(' ') ? [] : [JSON.stringify(value).slice(1, -1)];
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return [];
  return Object.values(value).flatMap(leavesOf);
}

test('the reference loads nothing, and its policy allows its own script and style alone', () => {
  expect(page).not.toMatch(/<link(?! rel="icon" href="data:,")|<img|<iframe|@import|url\(|<[^>]+ (?:src|style|on\w+)=/);
  const policy = decode(/Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? '');
  const blocks = ['script', 'style'].map((tag) => new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page)?.[1] ?? '');
  const hashes = blocks.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`);
  expect(policy).toBe(
    `default-src 'none'; script-src ${hashes[0]}; style-src ${hashes[1]}; img-src data:; base-uri 'none'; form-action 'none'`,
  );
  expect(() => new Script(blocks[0] ?? '')).not.toThrow();
  expect([...page.matchAll(/<script/g)]).toHaveLength(1);
});

describe('a gateway serves the reference at /docs', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  test('to callers with an API key', async () => {
    const { status, text, headers } = await gateway.call('GET', '/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    // Or a browser asks for /favicon.ico, which there is not.
    expect(text).toContain('<link rel="icon" href="data:');
    expect(text).toBe(page);
    const policy = decode(/Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? '');
    expect(headers.get('content-security-policy')).toBe(`${policy}; frame-ancestors 'none'`);
  });

  test('to no other caller', async () => {
    expect(await gateway.call('GET', '/docs', undefined, { 'x-api-key': '' })).toMatchObject({ status: 401 });
  });
});

test('the script writes the reference into the current directory', async () => {
  const cwd = await temporaryDirectory();
  const script = join(projectDirectory, 'scripts/contracts.ts');
  const loader = join(projectDirectory, 'node_modules/tsx/dist/loader.mjs');
  const program = startProgram(process.execPath, ['--import', loader, '--conditions=source', script, 'html'], { cwd });
  onTestFinished(() => void program.child.kill());
  expect(await program.line(/./)).toBe('wrote reference.html');
  expect(await program.ended).toBe(0);
  expect(await readFile(join(cwd, 'reference.html'), 'utf8')).toBe(page);
});
