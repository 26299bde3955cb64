import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type DeliveryReason, deliveryReasons, deliveryRemedies } from '#shared/contracts/delivery-reasons.js';
import { type ErrorCode, remedies } from '#shared/contracts/errors.js';
import { configuredNamespaces, publishedContracts, publishedNamespaces, wireVersion } from '#shared/contracts/index.js';
import { readConfigFile } from '../../src/config/config-file.js';
import { readSites } from '../../src/config/sites.js';
import { environment } from '../../src/config.js';
import { catalogue } from '../../src/errors.js';
import { logEvents } from '../../src/platform/logging/events.js';
import { createMetrics } from '../../src/platform/metrics.js';
import { readSources } from '../architecture/sources.js';
import { projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { type Page, readPages } from './pages.js';

const pages = await readPages();
const contracts = publishedContracts.map(({ contract }) => contract);
const manifest = JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8'));
const examples = await Promise.all(
  (await readdir(join(projectDirectory, 'scripts/examples'))).map((name) =>
    readFile(join(projectDirectory, 'scripts/examples', name), 'utf8'),
  ),
);

/** The rows of all tables with this first header, on whatever page. */
const rows = (header: string): string[][] => pages.flatMap((page) => page.rows(header));
const firstCells = (header: string): string[] => rows(header).map(([cell = '']) => cell);

const pageAt = (path: string): Page => {
  const page = pages.find((one) => one.path === path);
  if (page === undefined) throw new Error(`there is no page ${path}`);
  return page;
};

describe('the README', () => {
  test('has at most 200 lines', () => {
    expect(pageAt('README.md').text.trimEnd().split('\n').length).toBeLessThanOrEqual(200);
  });

  test('describes each part of the source', async () => {
    const places = firstCells('where');
    for (const place of places) {
      expect((await stat(join(projectDirectory, place))).isDirectory(), place).toBe(place.endsWith('/'));
    }
    const entries = await readdir(join(projectDirectory, 'src'), { withFileTypes: true });
    const inSource = entries
      .filter(({ name }) => !name.endsWith('.md'))
      .map((entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`);
    expect(inSource.filter((place) => !places.includes(place))).toEqual([]);
  });

  test('names every command, and no other', () => {
    const documented = firstCells('command').map((command) => command.replace(/^npm (?:run )?/, ''));
    const declared = Object.keys(manifest.scripts).filter((name) => !name.startsWith('pre'));
    expect(documented.sort()).toEqual(declared.sort());
  });
});

describe('links', () => {
  test('lead to files and headings that exist', () => {
    const broken = pages.flatMap((page) =>
      page.links
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
          const [path = '', anchor] = link.split('#');
          const target = path === '' ? page.path : normalize(join(dirname(page.path), path));
          if (!existsSync(join(projectDirectory, target))) return true;
          return anchor !== undefined && !pages.find((one) => one.path === target)?.anchors.includes(anchor);
        })
        .map((link) => `${page.path}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  test('lead to every page beside the code', () => {
    const linked = pages.flatMap((page) =>
      page.links.map((link) => normalize(join(dirname(page.path), link.replace(/#.*/, '')))),
    );
    const besideCode = pages.map(({ path }) => path).filter((path) => /^(?:src|shared|scripts)\//.test(path));
    expect(besideCode.filter((path) => !linked.includes(path))).toEqual([]);
  });
});

describe('names', () => {
  /** Files that users write, or that are built. */
  const absent = ['config.yml', 'sites.yml', 'dist/src/main.js', 'reference.html'];
  const isPath = (span: string): boolean =>
    /^(?:(?:src|shared|scripts|test|\.github|\.ci)\/[\w./-]*|[\w./-]+\.(?:ts|mjs|py|sh|html|md|ya?ml|json))$/.test(
      span,
    ) && !span.startsWith('/');

  test('of files exist', () => {
    const missing = pages.flatMap((page) =>
      page.spans
        .filter((span) => isPath(span) && !absent.includes(span))
        .filter(
          (span) => ![span, join(dirname(page.path), span)].some((path) => existsSync(join(projectDirectory, path))),
        )
        .map((span) => `${page.path}: ${span}`),
    );
    expect(missing).toEqual([]);
  });

  test('of functions and constants on the page for readers of the code exist', async () => {
    const code = (await readSources(['src', 'shared'])).map((source) => source.code).join('\n');
    const functions = pageAt('src/README.md').spans.flatMap((span) => /^[a-z]+[A-Z]\w+(?=\(|$)/.exec(span) ?? []);
    expect(functions.length).toBeGreaterThan(3);
    expect(functions.filter((name) => !new RegExp(`(?:function|const) ${name}\\b`).test(code))).toEqual([]);
  });

  test('of settings, error codes and reasons exist', async () => {
    const inCode = [environment.shape, catalogue, deliveryReasons].flatMap((table) => Object.keys(table));
    const [errors] = (await readSources(['shared/client'])).filter(({ path }) => path === 'shared/client/error.ts');
    const ofClients = [...(errors?.code ?? '').matchAll(/^\s+\| '([A-Z_]+)'/gm)].map(([, code = '']) => code);
    expect(ofClients.length).toBeGreaterThan(5);
    const known = [...inCode, ...ofClients];
    const ofOthers = [
      // Of tests, examples, Node.js, methods, kinds of messages and what MongoDB calls its own.
      'TEST_MONGODB_URL',
      'MONGOD_BINARY',
      'GATEWAY_KEY',
      'TEST_SCREENSHOTS',
      'FUZZ_SEED',
      'FUZZ_INPUTS',
      'MATRIX_SEED',
      'SIMULATION_SEED',
      'PATH',
      'OTEL_TRACES_SAMPLER',
      'OTEL_EXPORTER_OTLP_HEADERS',
      'NODE_EXTRA_CA_CERTS',
      'INCOMING',
      'OUTGOING',
      'NOTE',
      'SUCCESS',
      'UUID',
      'X-META',
      'OP_MSG',
      'OP_QUERY',
      'EPIPE',
    ];
    const mentioned = pages.flatMap((page) =>
      page.spans.map((span) => /^([A-Z]{4,}(?:_[A-Z]+)*)(?:=|$)/.exec(span)?.[1]),
    );
    const unknown = mentioned.filter((name) => name !== undefined && ![...known, ...ofOthers].includes(name));
    expect([...new Set(unknown)]).toEqual([]);
  });

  test('of commands exist', () => {
    const named = pages.flatMap(({ text }) =>
      [...text.matchAll(/npm run (?:--silent )?([\w:]+(?:-\w+)*)/g)].map(([, name]) => name),
    );
    expect(named.filter((name) => name !== undefined && !(name in manifest.scripts))).toEqual([]);
    expect(named.length).toBeGreaterThan(10);
  });

  test('of commands in the image are those of npm', () => {
    const named = pages.flatMap(({ text }) =>
      [...text.matchAll(/dist\/scripts\/([\w-]+)\.js/g)].map(([, name = '']) => name),
    );
    const compiled = Object.values<string>(manifest.scripts).flatMap(
      (script) => /scripts\/([\w-]+)\.ts$/.exec(script)?.[1] ?? [],
    );
    expect(named.filter((name) => !compiled.includes(name))).toEqual([]);
    expect(named.length).toBeGreaterThan(2);
  });
});

describe('settings', () => {
  test('are each in exactly one table, with their default', () => {
    const defaults: Record<string, unknown> = environment.parse({});
    const declared = Object.keys(environment.shape).map((name) => [name, String(defaults[name] ?? '')]);
    const documented = rows('variable').map(([name, byDefault]) => [name, byDefault]);
    expect(documented.sort()).toEqual(declared.sort());
  });

  test('in the examples of sites.yml and config.yml are read without a problem', async () => {
    const directory = await temporaryDirectory();
    const save = async (path: string): Promise<string> => {
      const [text = ''] = pageAt(path).blocks('yaml');
      const file = join(directory, 'example.yml');
      await writeFile(file, text);
      return file;
    };
    const { sites, problems } = readSites({ SITES_FILE: await save('src/integrations/push-sites/README.md') });
    expect([sites.length, problems]).toEqual([1, []]);
    const CONFIG_FILE = await save('src/config/README.md');
    const settings = readConfigFile({ CONFIG_FILE, NODE_ENV: 'production' }, (name) => name in environment.shape);
    expect(settings.problems).toEqual([]);
    expect(environment.safeParse(settings.variables).error).toBeUndefined();
  });
});

test('log lines are each in exactly one table, with level and message', () => {
  const documented = rows('event').map(([code, level, message]) => [code, level, message]);
  const declared = Object.entries(logEvents).map(([code, { level, message }]) => [code, level, message]);
  expect(documented.sort()).toEqual(declared.sort());
});

test('what a warning or an error means is said in words, not only by its fields', () => {
  const isWordless = (meaning: string): boolean => meaning.replaceAll(/`[^`]*`/g, '').split(/\s+/).length < 4;
  const problems = rows('event').filter(([, level = '']) => ['warn', 'error', 'fatal'].includes(level));
  expect(problems.length).toBeGreaterThan(0);
  expect(problems.flatMap(([code, , , meaning = '']) => (isWordless(meaning) ? code : []))).toEqual([]);
});

describe('the wire', () => {
  const routes = contracts
    .flatMap((contract) => Object.values(contract.routes))
    .map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  const clientEvents = new Set(contracts.flatMap((contract) => Object.keys(contract.clientEvents)));
  const serverEvents = new Set(contracts.flatMap((contract) => Object.keys(contract.serverEvents)));
  const spans = new Set(pages.flatMap((page) => page.spans));
  const eventsIn = (header: string): string[] => firstCells(header).flatMap((cell) => cell.split(', '));

  test('has every route in exactly one table, and no other', () => {
    expect(firstCells('route').sort()).toEqual(routes.sort());
  });

  test('has no route elsewhere that does not exist', () => {
    const named = [...spans].filter((span) => /^(?:GET|POST|PUT|DELETE) \//.test(span));
    expect(named.filter((span) => !routes.includes(span.replace(/\?.*/, '')))).toEqual([]);
  });

  test('has every event of clients in a table, and no other', () => {
    expect(new Set(eventsIn('event of the client'))).toEqual(clientEvents);
  });

  test('names every event of the server, and no other', () => {
    expect(eventsIn('event of the server').filter((event) => !serverEvents.has(event))).toEqual([]);
    expect([...serverEvents].filter((event) => !spans.has(event))).toEqual([]);
  });

  test('has every namespace', () => {
    const configured = Object.keys(configuredNamespaces).map((name) => name.replace('{', '<').replace('}', '>'));
    const documented = firstCells('namespace').flatMap((cell) => cell.split(', '));
    expect(documented.sort()).toEqual([...Object.keys(publishedNamespaces), ...configured].sort());
  });

  test('has every error of the catalogue, with its status and whether to retry', () => {
    const documented = rows('status').map(([status, code, retry, remedy]) => [code, status, retry, remedy]);
    const declared = Object.entries(catalogue).map(([code, { status, retryable }]) => [
      code,
      String(status),
      retryable ? 'yes' : 'no',
      remedies[code as ErrorCode].replaceAll('`', ''),
    ]);
    expect(documented).toEqual(declared);
  });

  test('has every reason of a delivery and its remedy, in the words of the contract', () => {
    const declared = Object.entries(deliveryReasons).map(([code, sentence]) =>
      [code, sentence, deliveryRemedies[code as DeliveryReason]].map((text) => text.replaceAll('`', '')),
    );
    expect(rows('reason')).toEqual(declared);
  });

  test("has a version whose changes are in the changelog, as the gateway's are", () => {
    const { text } = pageAt('CHANGELOG.md');
    expect(text).toMatch(new RegExp(`^## ${manifest.version.replaceAll('.', '\\.')}\\b`, 'm'));
    expect(text).toMatch(new RegExp(`^### Wire ${wireVersion.replaceAll('.', '\\.')}$`, 'm'));
  });
});

test('every metric is explained, and no other', () => {
  const counted = createMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name);
  expect(firstCells('metric')).toEqual(counted.filter((name) => name.startsWith('gateway_')));
});

describe('code blocks', () => {
  test('are excerpts of the examples, which run', () => {
    const blocks = pages.flatMap((page) => ['js', 'py', 'html'].flatMap((language) => page.blocks(language)));
    expect(blocks).not.toEqual([]);
    expect(blocks.filter((block) => !examples.some((example) => example.includes(block)))).toEqual([]);
  });

  test('of JSON can be parsed', () => {
    const blocks = pages.flatMap((page) => page.blocks('json'));
    const values = blocks.flatMap((block) => (/^\{.*\}$/m.test(block) ? block.trim().split('\n') : [block]));
    for (const value of values) expect(() => JSON.parse(value), value).not.toThrow();
  });
});

test('a signal to npm start reaches the gateway', () => {
  // npm passes signals on to its shell alone, which would die and leave the gateway behind.
  expect(manifest.scripts.start).toMatch(/^exec node /);
});
