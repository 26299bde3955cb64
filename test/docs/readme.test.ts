import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { deliveryReasons } from '#shared/contracts/deliveries.js';
import { configuredNamespaces, publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { environment } from '../../src/config.js';
import { catalogue } from '../../src/errors.js';
import { createMetrics } from '../../src/platform/metrics.js';
import { projectDirectory } from '../support/script.js';
import { readReadme } from './readme.js';

const readme = await readReadme();
const contracts = publishedContracts.map(({ contract }) => contract);

test('the table of errors is the catalogue', () => {
  const documented = readme.table('status').map(([status, code, again]) => [code, status, again]);
  const declared = Object.entries(catalogue).map(([code, { status, retryable }]) => [
    code,
    String(status),
    retryable ? 'yes' : 'no',
  ]);
  expect(documented).toEqual(declared);
});

test('the table of reasons is that of the contract', () => {
  const declared = Object.entries(deliveryReasons).map(([code, sentence]) => [code, sentence.replaceAll('`', '')]);
  expect(readme.table('reason')).toEqual(declared);
});

test('the table of metrics is what the gateway counts', () => {
  const documented = readme.table('metric').map(([name]) => name);
  const counted = createMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name);
  expect(documented).toEqual(counted.filter((name) => name.startsWith('gateway_')));
});

test('the settings and codes that are mentioned exist', () => {
  const mentioned = readme.text.match(/`[A-Z]+(?:_[A-Z]+)+(?==|`)/g)?.map((name) => name.slice(1)) ?? [];
  const known = new Set([environment.shape, catalogue, deliveryReasons].flatMap((table) => Object.keys(table)));
  const ofTests = ['TEST_MONGODB_URL', 'MONGOD_BINARY'];
  expect(mentioned.filter((name) => !known.has(name) && !ofTests.includes(name))).toEqual([]);
});

test('every route is explained, and no other', () => {
  const declared = contracts.flatMap(({ routes }) =>
    Object.values(routes).map(({ method, path }) => `${method.toUpperCase()} ${path}`),
  );
  expect(
    readme
      .table('route')
      .map(([route]) => route)
      .sort(),
  ).toEqual(declared.sort());
});

test('every event and namespace is explained', () => {
  const inSection = readme.text.slice(readme.text.indexOf('## Events'), readme.text.indexOf('## REST'));
  const events = contracts.flatMap(({ clientEvents, serverEvents }) => [
    ...Object.keys(clientEvents),
    ...Object.keys(serverEvents),
  ]);
  expect(events.filter((event) => !inSection.includes(`\`${event}\``))).toEqual([]);
  const namespaces = readme.table('namespace').flatMap(([names = '']) => names.split(', '));
  const configured = Object.keys(configuredNamespaces).map((name) => name.replace('{', '<').replace('}', '>'));
  expect(namespaces.sort()).toEqual([...Object.keys(publishedNamespaces), ...configured].sort());
});

test('the table of places names what is there', async () => {
  const places = readme.table('where').map(([place = '']) => place);
  for (const place of places) {
    expect((await stat(join(projectDirectory, place))).isDirectory(), place).toBe(place.endsWith('/'));
  }
  const entries = await readdir(join(projectDirectory, 'src'), { withFileTypes: true });
  const inSource = entries.map((entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`);
  expect(inSource.filter((place) => !places.includes(place))).toEqual([]);
});

test('every command is explained, and no other', async () => {
  const { scripts } = JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8'));
  const documented = readme.table('command').map(([command = '']) => command.replace(/^npm (?:run )?/, ''));
  expect(documented.sort()).toEqual(
    Object.keys(scripts)
      .filter((name) => !name.startsWith('pre'))
      .sort(),
  );
});

test('a signal to npm start reaches the gateway', async () => {
  const { scripts } = JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8'));
  // npm passes signals on to its shell alone, which would die and leave the gateway behind.
  expect(scripts.start).toMatch(/^exec node /);
});

test('links within the README lead somewhere', () => {
  const anchors = [...readme.text.matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = '']) =>
      `#${heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-')}`,
  );
  const links = [...readme.text.matchAll(/\]\((#[^)]+)\)/g)].map(([, link]) => link);
  expect(links.filter((link) => link !== undefined && !anchors.includes(link))).toEqual([]);
});
