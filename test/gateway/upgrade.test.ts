import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type TestClient } from '../support/client.js';
import { API_KEY, startGateway, type TestGateway } from '../support/gateway.js';
import { openLine } from '../support/line.js';

let gateway: TestGateway;
let user: TestClient;

beforeAll(async () => {
  gateway = await startGateway({ SOCKET_TRANSPORTS: 'websocket,polling' });
  user = await connect(gateway);
});
afterAll(async () => {
  user.close();
  await gateway.close();
});

/** What Java's HttpClient and `curl --http2` send with the first request of each connection. */
const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA'];
const OTHERS = [
  H2C,
  [
    'Connection: upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==',
  ],
  ['Connection: keep-alive, Upgrade', 'Upgrade: TLS/1.0, HTTP/2.0'],
  ['Connection: Upgrade', 'Upgrade: '],
  ['Connection: Upgrade', 'Upgrade: h2c', 'Upgrade: websocket'],
];

const head = (method: string, path: string, lines: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: localhost', `x-api-key: ${API_KEY}`, ...lines, '', ''].join('\r\n');
const JSON_TYPE = 'Content-Type: application/json';

test.each(OTHERS)('REST answers over HTTP/1.1 when asked to upgrade with %j %j', async (...lines) => {
  const line = await openLine(gateway);
  const body = JSON.stringify({ text: 'x'.repeat(200_000) });
  for (let round = 0; round < 2; round += 1) {
    expect(await line.ask(head('GET', '/status', lines), /\}$/)).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*General socket is running/,
    );
    const sized = head('POST', '/emit/user-1/sized', [...lines, JSON_TYPE, `Content-Length: ${body.length}`]) + body;
    expect(await line.ask(sized, /\}$/)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"sockets":1/);
    const chunks = `5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\n\r\n`;
    const chunked = head('POST', '/emit/user-1/chunked', [...lines, JSON_TYPE, 'Transfer-Encoding: chunked']) + chunks;
    expect(await line.ask(chunked, /\}$/)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"sockets":1/);
    for (const event of ['sized', 'chunked']) expect(await user.next(event)).toEqual([JSON.parse(body)]);
  }
  expect(await line.ask(head('GET', '/nowhere', lines), /\}$/)).toMatch(/^HTTP\/1\.1 404 [\s\S]*"NOT_FOUND"/);
});

test('a body that is compressed and arrives after the headers is read', async () => {
  const line = await openLine(gateway);
  const body = gzipSync('{"n":1}').toString('latin1');
  const lines = [...H2C, JSON_TYPE, 'Content-Encoding: gzip', `Content-Length: ${body.length}`, 'Expect: 100-continue'];
  expect(await line.ask(head('POST', '/emit/user-1/late', lines), /\r\n\r\n$/)).toMatch(/^HTTP\/1\.1 100 /);
  line.socket.write(Buffer.from(body, 'latin1'));
  expect(await user.next('late')).toEqual([{ n: 1 }]);
});

test('polling works for a client that offers HTTP/2', async () => {
  const line = await openLine(gateway);
  const answer = await line.ask(head('GET', '/socket.io/?EIO=4&transport=polling', H2C), /\}$/);
  expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*"sid":/);
});

test('a websocket of Socket.IO is opened, however the header is written', async () => {
  const line = await openLine(gateway);
  const lines = ['Connection: Keep-Alive, upgrade', 'Upgrade: WebSocket', 'Sec-WebSocket-Version: 13'];
  const request = [...lines, 'Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng=='];
  expect(await line.ask(head('GET', '/socket.io/?EIO=4&transport=websocket', request), /"sid":/)).toMatch(
    /^HTTP\/1\.1 101 /,
  );
});
