import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClientOptions, connect, refusal } from '../support/client.js';
import { API_KEY, startGateway, type TestGateway } from '../support/gateway.js';
import { readPages } from './pages.js';

const page = (await readPages()).find(({ path }) => path === 'scripts/operate/troubleshooting.md');
const namesIn = (cell = ''): string => cell.replace(/,? and .*/, '').trim();
const refusals = page?.rows('connect_error of the client').map(([cell]) => namesIn(cell)) ?? [];

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ CORS_ORIGINS: 'https://shop.example', SOCKET_MESSAGE_MAX: '65536' });
});
afterAll(() => gateway.close());

const noScope = { uid: 'ada', scope: '' };

test.each<[string, ClientOptions]>([
  ['xhr poll error', { transports: ['polling', 'websocket'] }],
  ['websocket error', { extraHeaders: { origin: 'https://other.example' } }],
  ['websocket error', { path: '/sockets' }],
  ['INVALID_TOKEN', { claims: null }],
  ['Invalid token or user access denied', { namespace: '/' }],
  ['NOT_ENOUGH_SCOPE', { claims: noScope }],
  ['NOT_FOUND', { namespace: '/v2/shared' }],
])('the page has the refusal %s, which a client gets', async (message, options) => {
  expect((await refusal(gateway, options)).message).toBe(message);
  expect(refusals).toContain(message);
});

test('the page has the end of a connection that sends too large an event', async () => {
  const client = await connect(gateway);
  client.socket.emit('join', { text: 'x'.repeat(70_000) });
  expect(await client.closed).toBe('transport close');
  expect(page?.rows('what the client sees').map(([cell]) => cell)).toContain('transport close after an event');
});

test('the page has the answers of an emit without a socket, and of a call without a key', async () => {
  const emitted = await gateway.call('POST', '/emit/nobody-connected/notification', {}, { 'x-api-key': API_KEY });
  expect(emitted.json.data).toEqual({ sockets: 0 });
  expect(page?.text).toContain('`POST /emit` answers `sockets: 0`');
  const refused = await gateway.call('POST', '/emit/ada/notification', {}, { 'x-api-key': '' });
  expect(page?.text).toContain(`| ${refused.status} \`${refused.json.message}\` |`);
});
