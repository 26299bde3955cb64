import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import cors from 'cors';
import express, { type Express } from 'express';
import helmet from 'helmet';
import nocache from 'nocache';
import { expect, onTestFinished, test } from 'vitest';
import { setAlways } from '../../../src/transport/http/headers.js';

async function headersOf(listener: RequestListener, method: string): Promise<Record<string, string>> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/`, { method, headers: { origin: 'https://example.com' } });
  await response.text();
  const { date, ...headers } = Object.fromEntries(response.headers);
  expect(date).toBeDefined();
  return headers;
}

const withDefaults = (): Express => express().disable('x-powered-by').disable('etag');

test.each(['GET', 'POST', 'HEAD'])('%s gets the headers that each middleware alone would set', async (method) => {
  const joined = withDefaults().use(setAlways(cors(), helmet(), nocache()));
  const each = withDefaults().use(cors(), helmet(), nocache());
  for (const app of [joined, each]) app.use((_request, response) => void response.send('answer'));
  expect(await headersOf(joined, method)).toEqual(await headersOf(each, method));
});

test('middleware that keeps a request waiting is refused', () => {
  expect(() => setAlways(() => undefined)).toThrow(/cannot be run in advance/);
});
