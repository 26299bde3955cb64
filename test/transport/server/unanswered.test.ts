import { EventEmitter, once } from 'node:events';
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

test('a connection that sends thousands of requests in one packet is closed', async () => {
  let handled = 0;
  const { warnings, open } = await serve(() => {
    handled += 1;
  });
  const line = open();
  line.on('error', () => undefined);
  line.write(REQUEST.repeat(2000));
  await once(line, 'close');
  expect(handled).toBe(1);
  expect(warnings).toHaveLength(1);
});

test('requests in one packet are handled one after the other, and each answer knows when its connection closes', async () => {
  const handled: ServerResponse[] = [];
  let notified = 0;
  const arrived = new EventEmitter();
  const { open } = await serve((_request, response) => {
    handled.push(response);
    response.on('close', () => {
      notified += 1;
    });
    arrived.emit('request');
  });
  const line = open();
  const first = once(arrived, 'request');
  line.write(REQUEST.repeat(5));
  await first;
  for (const count of [1, 2, 3]) {
    expect(handled).toHaveLength(count);
    const next = once(arrived, 'request');
    handled.at(-1)?.end();
    await next;
  }
  const closed = once(handled.at(-1) ?? arrived, 'close');
  line.destroy();
  await closed;
  expect(handled).toHaveLength(4);
  expect(notified).toBe(4);
});

test('what follows the last answer of a connection is not handled', async () => {
  let handled = 0;
  const { send } = await serve((_request, response) => {
    handled += 1;
    response.setHeader('Connection', 'close').end();
  });
  expect(countAnswers(await send(REQUEST.repeat(3)))).toBe(1);
  expect(handled).toBe(1);
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
