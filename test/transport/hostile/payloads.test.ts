import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type TestClient } from '../../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import type { TestGateway } from '../../support/gateway.js';

/** What backends may send, as JSON text: a client of either node must get exactly what this text says. */
const PAYLOADS: Record<string, string> = {
  null: 'null',
  'a number': '-0.1',
  'a number beyond 2^53': '9007199254740993',
  'a number beyond all': '1e400',
  'negative zero': '-0',
  'the smallest number': '5e-324',
  'an integer of 64 bits': '18446744073709551615',
  'an empty text': '""',
  'a text of 300,000 characters': JSON.stringify('ü'.repeat(300_000)),
  'a lone surrogate': '"\\ud800"',
  'lone surrogates before other text': '"\\ud800A\\udfff\\udfffB\\ud83d"',
  NUL: '"\\u0000a\\u0000"',
  'line separators': '"\\u2028\\u2029"',
  'every plane': '"é 漢 🚀 \\udbff\\udfff"',
  'a key __proto__': '{"__proto__":{"isPolluted":true},"a":1}',
  'a key __proto__ with a text': '{"__proto__":"x"}',
  'keys __proto__ at every depth': '{"a":[{"__proto__":{"__proto__":{"isPolluted":true}}}]}',
  'a constructor': '{"constructor":{"prototype":{"isPolluted":true}}}',
  'a toJSON': '{"toJSON":"x","toString":1,"valueOf":null}',
  'a placeholder for binary': '{"_placeholder":true,"num":0}',
  'empty keys': '{"":{"":""}}',
  'keys of odd characters': '{"\\u0000":1,"\\ud800":2,"🚀":3,"a.b":4,"$set":5}',
  'keys in the shape of numbers': '{"2":1,"1":2,"-1":3}',
  '100 levels': '['.repeat(100) + ']'.repeat(100),
  '10,000 keys': JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index]))),
};

let environment: TestEnvironment;
let nodes: readonly TestGateway[];
const clients: TestClient[] = [];
const faults: unknown[] = [];
const noteFault = (reason: unknown): void => void faults.push(reason);

beforeAll(async () => {
  process.on('uncaughtException', noteFault);
  process.on('unhandledRejection', noteFault);
  environment = await createTestEnvironment({ nodes: 2 });
  nodes = environment.nodes;
  for (const [node, gateway] of nodes.entries()) {
    clients.push(await connect(gateway, { claims: { uid: 'reader' }, query: { deviceId: `device-${node}` } }));
  }
});
afterAll(async () => {
  for (const client of clients) client.close();
  await environment?.close();
  process.off('uncaughtException', noteFault);
  process.off('unhandledRejection', noteFault);
});

/** Emits through the first node. @returns what the clients of both nodes got, as JSON text */
async function deliver(path: string, body: string): Promise<string[]> {
  const response = await nodes[0]?.call('POST', path, body);
  expect(response?.status).toBe(200);
  const received = await Promise.all(clients.map((client) => client.next('news')));
  expect({}).not.toHaveProperty('isPolluted');
  expect(faults).toEqual([]);
  return received.map((args) => {
    const acknowledge = args.at(-1);
    if (typeof acknowledge !== 'function') return JSON.stringify(args);
    acknowledge();
    return JSON.stringify(args.slice(0, -1));
  });
}

describe('a payload arrives as it was sent, on the called node and the other', () => {
  test.each(Object.entries(PAYLOADS))('%s', async (_name, text) => {
    const sent = `[${JSON.stringify(JSON.parse(text))}]`;
    expect(await deliver('/emit/reader/news', text)).toEqual([sent, sent]);
    expect(await deliver('/emit/reader/news?durable=true', text)).toEqual([sent, sent]);
    expect(await deliver('/broadcast/news', text)).toEqual([sent, sent]);
    expect(await deliver('/broadcast/news?account=account-1', text)).toEqual([sent, sent]);
    const items = `{"items":[{"userId":"reader","event":"news","payload":${text}}]}`;
    if (text.length < 1000) expect(await deliver('/emit', items)).toEqual([sent, sent]);
  });
});

describe('a user with an unusual id', () => {
  const IDS = [
    '*',
    'a*',
    '#',
    'a#b',
    'user:reader',
    '0',
    '1e3',
    ' ',
    '\u0000',
    'ü 🚀',
    '__proto__',
    'a/b?c',
    'x'.repeat(128),
  ];

  test.each(IDS)('is reached on the other node, alone: %j', async (uid) => {
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error('no nodes');
    const client = await connect(second, { claims: { uid } });
    await first.call('POST', `/emit/${encodeURIComponent(uid)}/news`, { for: uid });
    expect(await client.next('news')).toEqual([{ for: uid }]);
    const { json } = await first.call('GET', `/users/${encodeURIComponent(uid)}/presence`);
    expect(json.data).toMatchObject({ userId: uid, online: true, connections: 1 });
    await first.call('POST', '/emit/reader/done', {});
    for (const other of clients) {
      await other.next('done');
      expect(other.received('news')).toEqual([]);
    }
    await first.call('POST', `/users/${encodeURIComponent(uid)}/disconnect`, {});
    await client.closed;
  });
});
