import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { toPretty, toShort } from '../../src/console/parts/json.js';
import { toNamespaces } from '../../src/console/views/try/async-api.js';
import { withFileNames, withFiles } from '../../src/console/views/try/files.js';
import { addEntry, scopeIn, toArrived, userOfToken } from '../../src/console/views/try/log.js';
import { keyOf, missingOf, toFilled, toRequest, toRoutes } from '../../src/console/views/try/open-api.js';
import { toClientCode, toCurl } from '../../src/console/views/try/snippets.js';
import { createAsyncApi } from '../../src/documents/async-api.js';
import { createOpenApi } from '../../src/documents/open-api.js';

/** As a browser gets it. */
const overHttp = (document: object): unknown => JSON.parse(JSON.stringify(document));

const namespaces = toNamespaces(overHttp(createAsyncApi()));
const routes = toRoutes(overHttp(createOpenApi()));
const routeOf = (id: string) => {
  const found = routes.find((route) => route.id === id);
  if (found === undefined) throw new Error(`no route ${id}`);
  return found;
};

describe('the namespaces of the AsyncAPI document', () => {
  test('are those of the contracts, with the events that clients send there', () => {
    for (const address of Object.keys(publishedNamespaces)) {
      const declared = publishedContracts
        .filter(({ namespaces: where }) => where.some((name) => name === address))
        .flatMap(({ contract }) => Object.keys(contract.clientEvents));
      const offered = namespaces.find((one) => one.address === address)?.sends.map(({ name }) => name);
      expect([address, offered?.toSorted()]).toEqual([address, declared.toSorted()]);
    }
  });

  test('have examples that the contract of each event accepts, as the arguments of emit', () => {
    const refused: string[] = [];
    let checked = 0;
    for (const { contract, namespaces: where } of publishedContracts) {
      for (const [name, event] of Object.entries(contract.clientEvents)) {
        // Binary data has no form in JSON.
        if (event.takesBinary === true) continue;
        const offer = namespaces
          .find(({ address }) => where.some((one) => one === address))
          ?.sends.find((one) => one.name === name);
        const args = offer?.example ?? [];
        const input = event.takesAllArguments === true ? args : args[0];
        if (!event.payload.safeParse(input ?? {}).success) refused.push(`${contract.name} ${name}`);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(40);
    expect(refused).toEqual([]);
  });

  test('say whether a client shows a token, and the scope that it needs', () => {
    const shared = namespaces.find(({ address }) => address === '/v1/shared');
    expect(shared?.takesToken).toBe(true);
    expect(scopeIn(shared?.access ?? '')).toBe('conversation');
    expect(scopeIn('The token needs no scope.')).toBe('');
    expect(shared?.receives.map(({ name }) => name)).toContain('');
  });

  test.each([
    undefined,
    null,
    [],
    'text',
    { channels: { a: null }, operations: [] },
    { channels: { a: { $ref: '#/x' } } },
  ])('are none, or empty ones, in what is no document', (document) => {
    for (const { sends } of toNamespaces(document)) expect(sends).toEqual([]);
    expect(toRoutes(document)).toEqual([]);
  });
});

describe('the routes of the OpenAPI document', () => {
  test('are those of the contracts', () => {
    const declared = publishedContracts.flatMap(({ contract }) =>
      Object.entries(contract.routes).map(([name, { method, path }]) => [
        `${contract.name}.${name}`,
        method.toUpperCase(),
        path.replace(/:(\w+)/g, '{$1}'),
      ]),
    );
    const offered = routes.map(({ id, method, path }) => [id, method, path]);
    expect(offered.toSorted()).toEqual(declared.toSorted());
  });

  test('are filled in with what they require', () => {
    expect(routes.filter((route) => missingOf(route, toFilled(route)).length > 0).map(({ id }) => id)).toEqual([]);
  });

  test('offer the values to choose from', () => {
    const { parameters } = routeOf('emit-api.emit');
    expect(parameters.find(({ name }) => name === 'durable')?.options).toEqual(['true', 'false']);
    expect(parameters.find(({ name }) => name === 'namespace')?.options).toContain('*');
    expect(parameters.find(({ name }) => name === 'ttl')?.options).toEqual([]);
  });

  test('say whose credential they take', () => {
    expect(routeOf('emit-api.emit').caller).toBe('backend');
    expect(routeOf('community.listChats').caller).toBe('user');
    expect(routeOf('push-sites.send').caller).toBe('site');
    expect(routeOf('operation.ready').caller).toBe('anyone');
  });

  test('become requests whose values cannot change the path, without what is empty', () => {
    const route = routeOf('emit-api.emit');
    const { values } = toFilled(route, { userId: 'a/b?c' });
    const durable = keyOf({ place: 'query', name: 'durable' });
    const request = toRequest(route, { values: { ...values, [durable]: 'true' }, body: '{"a":1}' });
    expect(request).toEqual({
      method: 'POST',
      path: '/emit/a%2Fb%3Fc/notification?durable=true',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    expect(toRequest(route, { values, body: ' ' })).toMatchObject({ body: undefined, headers: {} });
  });

  test('send an empty value where it has a meaning', () => {
    const route = routeOf('administration.clearAnyDevice');
    const filled = { values: { [keyOf({ place: 'path', name: 'userId' })]: 'ann' }, body: '' };
    expect(missingOf(route, filled)).toEqual([]);
    expect(toRequest(route, filled).path).toBe('/users/ann/device/messages?deviceId=');
  });

  test('name what is missing', () => {
    const route = routeOf('administration.block');
    expect(missingOf(route, { values: {}, body: '' })).toEqual(['userId', 'body']);
  });
});

describe('the curl command', () => {
  test('passes on what was typed, whatever it holds', async () => {
    const hostile = `it's $HOME "quoted" \`id\` \\ !\n{}`;
    const command = toCurl(
      { method: 'POST', path: "/emit/a'b/$(id)", headers: { 'x-note': hostile }, body: hostile },
      'http://127.0.0.1:4000',
    );
    const script = `curl() { printf '%s\\0' "$@"; }\n${command}`;
    const { stdout } = await promisify(execFile)('sh', ['-c', script]);
    expect(stdout.split('\0').slice(0, -1)).toEqual([
      '-X',
      'POST',
      "http://127.0.0.1:4000/emit/a'b/$(id)",
      '-H',
      `x-note: ${hostile}`,
      '-d',
      hostile,
    ]);
  });
});

describe('the code of a client', () => {
  test('has the names as they are, whatever they hold', () => {
    const names = { origin: 'http://127.0.0.1:4000', namespace: '/v1/shared', event: `it's "x" \\ \n \${y}` };
    const code = toClientCode(names).replace(/^import .*$/m, '');
    const heard: string[] = [];
    const io = (url: string) => ({ on: (event: string) => heard.push(url, event) });
    new Function('io', 'token', code)(io, '');
    expect(heard).toEqual(['http://127.0.0.1:4000/v1/shared', names.event]);
  });
});

describe('what arrives', () => {
  const acknowledge = (): void => {};

  test('is the arguments of an event that is not durable', () => {
    expect(toArrived('e', [{ a: 1 }, 2])).toEqual({ args: [{ a: 1 }, 2], acknowledge: undefined, deliveryIds: [] });
  });

  test('is the arguments, the ids and the acknowledgement of durable ones', () => {
    expect(toArrived('e', [{ a: 1 }, { deliveryId: 'x' }, acknowledge])).toMatchObject({
      args: [{ a: 1 }],
      deliveryIds: ['x'],
    });
    const batch = [['e', 1]];
    expect(toArrived('_batch', [batch, { deliveryIds: ['x', 'y'] }, acknowledge])).toMatchObject({
      args: [batch],
      deliveryIds: ['x', 'y'],
    });
    expect(toArrived('e', [{ a: 1 }, acknowledge])).toMatchObject({ args: [{ a: 1 }], deliveryIds: [] });
  });

  test('calls the acknowledgement without arguments', () => {
    const given: unknown[][] = [];
    toArrived('e', [1, (...args: unknown[]) => void given.push(args)]).acknowledge?.();
    expect(given).toEqual([[]]);
  });

  test('is kept up to a bound, newest first', () => {
    let entries: ReturnType<typeof addEntry> = [];
    for (let id = 0; id < 500; id++) entries = addEntry(entries, { id, at: 0, way: 'in', event: 'e', args: [] });
    expect(entries.length).toBeLessThan(300);
    expect(entries[0]?.id).toBe(499);
  });
});

test.each([
  [{ uid: 'ä b' }, 'ä b'],
  [{ sub: '7' }, '7'],
  [{}, ''],
])('the user of a token with %j is %j', (claims, user) => {
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
  expect(userOfToken(`e30.${payload}.x`)).toBe(user);
});

test.each(['', 'x', 'a.b.c', 'a.!.c'])('the user of what is no token is empty: %j', (token) => {
  expect(userOfToken(token)).toBe('');
});

describe('binary data', () => {
  test('is named by its size and its first bytes, wherever it is', () => {
    const bytes = Uint8Array.from({ length: 12 }, (_, index) => index * 20);
    const described = '<binary, 12 bytes: 00 14 28 3c 50 64 78 8c …>';
    for (const value of [bytes, bytes.buffer, new DataView(bytes.buffer), Uint8Array.of(9, ...bytes).subarray(1)]) {
      expect(JSON.parse(toPretty(['e', { file: value }]))).toEqual(['e', { file: described }]);
      expect(toShort(value)).toBe(JSON.stringify(described));
    }
    expect(toShort([new ArrayBuffer(0), Uint8Array.of(255)])).toBe('["<binary, 0 bytes>","<binary, 1 byte: ff>"]');
  });

  test('is expected where the contract has a file', () => {
    const offers = namespaces.flatMap(({ sends }) => sends).filter(({ binaryAt }) => binaryAt.length > 0);
    const declared = publishedContracts.flatMap(({ contract }) =>
      Object.entries(contract.clientEvents).flatMap(([name, event]) => (event.takesBinary === true ? name : [])),
    );
    expect(offers.map(({ name }) => name).sort()).toEqual(declared.sort());
    expect(offers.every(({ example, binaryAt }) => binaryAt.every((index) => index < example.length))).toBe(true);
  });

  test('takes the place of an argument, and gives its name to the fields for it', () => {
    const file = { name: 'a.png', type: 'image/png', bytes: Uint8Array.of(1) };
    const args = ['<binary>', { fileName: 'example', mimeType: '', other: 1 }];
    expect(withFileNames(args, file)).toEqual(['<binary>', { fileName: 'a.png', mimeType: 'image/png', other: 1 }]);
    expect(withFileNames({ fileName: 'not in a list' }, file)).toEqual({ fileName: 'not in a list' });
    expect(withFiles(args, [0], { 0: file })).toEqual([file.bytes, args[1]]);
  });
});
