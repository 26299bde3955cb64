import { connect } from 'node:net';
import type { Random } from '../../support/random.js';
import type { Play, TrafficGenerator } from './generator.js';
import { spoil, spoilBytes } from './malformed-frames.js';

const HANDSHAKE = [
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==',
].join('\r\n');

const HEADS = [
  HANDSHAKE,
  HANDSHAKE.replace('Version: 13', 'Version: 99'),
  HANDSHAKE.replace('transport=websocket', 'transport=__proto__'),
  HANDSHAKE.replace('EIO=4', 'EIO=constructor'),
  HANDSHAKE.replace('websocket HTTP', 'websocket&sid=AAAAAAAAAAAAAAAAAAAA HTTP'),
  HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: h2c'),
  'GET /socket.io/?EIO=4&transport=polling&sid=__proto__ HTTP/1.1\r\nHost: localhost',
  'GET /socket.io/?EIO=4&transport=polling&j=1 HTTP/1.1\r\nHost: localhost',
  'POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5',
  'OPTIONS /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example',
  'POST /emit/a/b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked',
  'POST /emit/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked',
  'POST /emit/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999',
  'POST /emit/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue',
  'GET /status HTTP/1.1\r\nHost: localhost\r\nExpect: something',
  'GET http://evil.example/status HTTP/1.1\r\nHost: localhost',
  'CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost',
  'GET //../..//status HTTP/1.1\r\nHost: localhost',
  'GET /files/%00 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,2-3,-1',
  `GET /status HTTP/1.1\r\nHost: localhost\r\n${Array.from({ length: 90 }, (_, index) => `X-${index}: y`).join('\r\n')}`,
  'GET /status HTTP/1.0',
  'GET /status HTTP/1.1',
  'GET /health/ready HTTP/1.1\r\nHost: a\r\nHost: b',
  'PRI * HTTP/2.0',
];
const BODIES = [
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  'ffffffffffffffff\r\nx',
  '-1\r\n',
  '{"a":1}',
  '\u0000'.repeat(50),
];

/** Sends raw HTTP: malformed heads and bodies, pipelined requests, truncated requests. */
export const createHttpGenerator = (): TrafficGenerator => ({
  title: 'raw HTTP',
  weight: 8,
  async play(play) {
    for (let left = play.inputs; left > 0; ) {
      const count = Math.min(left, 1 + play.random.integer(3));
      left -= count;
      await play.places.run(count, () => sendRaw(count, play));
    }
  },
});

async function sendRaw(count: number, { url, random, judge, deadlineMs }: Play): Promise<void> {
  const { port } = new URL(url);
  const requests = Array.from({ length: count }, () => makeRaw(random));
  judge.sent(count);
  let answered = '';
  const socket = connect(Number(port), '127.0.0.1');
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    answered += chunk.toString('latin1');
  });
  for (const request of requests) socket.write(request);
  // Closing the write side ends the request, so that the gateway does not wait for more.
  socket.end();
  const about = `raw HTTP: ${JSON.stringify(requests.map(String)).slice(0, 1500)}`;
  await judge.inTime(about, closed, deadlineMs);
  socket.destroy();
  const [, status = 'none'] = /^HTTP\/1\.[01] (\d{3})/.exec(answered) ?? [];
  judge.outcome(`raw HTTP ${status}`);
  if (/^HTTP\/1\.[01] 5\d\d/m.test(answered)) judge.fault(`${about}: ${answered.slice(0, 300)}`);
}

function makeRaw(random: Random): Buffer {
  const head = random.pick(HEADS);
  const spoiled = random.chance(0.6) ? spoil(head, random) : head;
  const bytes = Buffer.from(`${spoiled}\r\n\r\n${random.pick(BODIES)}`, 'latin1');
  if (random.chance(0.1)) return spoilBytes(bytes, random);
  return random.chance(0.1) ? bytes.subarray(0, random.integer(bytes.length)) : bytes;
}
