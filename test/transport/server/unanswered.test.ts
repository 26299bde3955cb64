import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { createMetrics } from '../../../src/platform/metrics.js';
import { limitUnanswered } from '../../../src/transport/server/unanswered.js';

const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
const LAST_REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';

/** A server with the limit. @returns the warnings, and what a client gets that sends some bytes in one packet */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handle);
  const warnings: unknown[] = [];
  limitUnanswered(server, {
    logger: { warn: (...line: unknown[]) => void warnings.push(line) },
    metrics: createMetrics(),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const open = () => connect((server.address() as AddressInfo).port, '127.0.0.1');
  return {
    warnings,
    open,
    send(bytes: string): Promise<string> {
      const line = open();
      line.write(bytes);
      return text(line);
    },
  };
}

const countAnswers = (heard: string): number => heard.match(/HTTP\/1\.1 200/g)?.length ?? 0;

test('of thousands of requests in one packet the first hundred are handled, and the connection is closed', async () => {
  let handled = 0;
  const { warnings, open } = await serve(() => {
    handled += 1;
  });
  const line = open();
  line.on('error', () => undefined);
  line.write(REQUEST.repeat(2000));
  await once(line, 'close');
  expect(handled).toBe(100);
  expect(warnings).toHaveLength(1);
});

test('a hundred requests in one packet are answered', async () => {
  const { send, warnings } = await serve((_request, response) => void response.end());
  expect(countAnswers(await send(REQUEST.repeat(99) + LAST_REQUEST))).toBe(100);
  expect(warnings).toEqual([]);
});

test('a connection may send any number of requests one after the other', async () => {
  const { open } = await serve((_request, response) => void response.end());
  const line = open();
  for (let sent = 0; sent < 150; sent += 1) {
    line.write(REQUEST);
    await once(line, 'data');
  }
  line.write(LAST_REQUEST);
  expect(countAnswers(await text(line))).toBe(1);
});
