import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { freePort } from '../../support/redis-server.js';

/** What a logger of production writes. */
function written(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', isPretty: false }, { write: (line) => void lines.push(line) });
  log(logger);
  return lines.join('');
}

test('logs an error of the database without the topology and the documents it carries', async () => {
  const port = await freePort();
  const client = new mongo.MongoClient(`mongodb://127.0.0.1:${port}`, { serverSelectionTimeoutMS: 1 });
  const error: unknown = await client.connect().catch((failure: unknown) => failure);
  await client.close();
  const line = written((logger) => logger.error({ err: error }, 'a request failed'));
  expect(JSON.parse(line)).toMatchObject({
    msg: 'a request failed',
    event: 'request_failed',
    err: { type: 'MongoServerSelectionError' },
  });
  expect(line).not.toContain('servers');

  const result = { writeErrors: [{ index: 0, code: 11_000, op: { content: 'what ann said' } }] };
  const bulk = new mongo.MongoBulkWriteError({ message: 'E11000', code: 11_000, ...result } as never, result as never);
  const bulkLine = written((logger) => logger.error({ err: bulk }, 'a request failed'));
  expect(JSON.parse(bulkLine)).toMatchObject({ err: { code: 11_000, stack: expect.any(String) } });
  expect(bulkLine).not.toContain('what ann said');
});

test('logs the causes of an error, and thrown values of any type', () => {
  const error = new Error('outer', { cause: new Error('inner') });
  const line = written((logger) => logger.error({ err: error }, 'a request failed'));
  expect(JSON.parse(line).err.stack).toMatch(/outer[\s\S]*inner/);
  expect(JSON.parse(written((logger) => logger.error({ err: 'text' }, 'a request failed'))).err).toBe('text');
});

test('writes the node, the version and the code of the event in each line', () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  createLogger({ level: 'info', isPretty: false, node: 'gateway-1' }, { write }).info({ port: 4000 }, 'listening');
  const { level, node, version, event, port, msg } = JSON.parse(lines.join(''));
  expect({ level, node, event, port, msg }).toEqual({
    level: 30,
    node: 'gateway-1',
    event: 'listening',
    port: 4000,
    msg: 'listening',
  });
  expect(version).toMatch(/^\d+\.\d+\.\d+/);
});

/** Characters that must not reach a terminal or a reader of lines, in any field. */
const TRICKS = '\n\r\u001b[2J\u0007\u007f\u009b31m\u2028\u2029\u202e\u2066\ufeff\ud800';

test('escapes and cuts texts that clients choose, in values, names, lists and errors', () => {
  const info = { origin: TRICKS, list: [TRICKS], deep: { [TRICKS]: TRICKS }, long: 'x'.repeat(100_000) };
  const error = Object.assign(new Error(`no ${TRICKS}`), { info: { reason: TRICKS } });
  const text = written((logger) => logger.error({ ...info, err: error }, 'a request failed'));
  expect(text.split('\n')).toHaveLength(2);
  expect(text.length).toBeLessThan(20_000);
  const line = JSON.parse(text);
  const texts: string[] = [];
  const collect = (value: unknown, name: string): void => {
    texts.push(name);
    if (typeof value === 'string') texts.push(value.replaceAll(name === 'stack' || name === 'message' ? '\n' : '', ''));
    else if (value !== null && typeof value === 'object')
      for (const [key, own] of Object.entries(value)) collect(own, key);
  };
  collect(line, '');
  expect(texts.filter((one) => /[\p{Cc}\p{Cs}\u2028\u2029\u202e\u2066\ufeff]/u.test(one))).toEqual([]);
  expect(line.origin).toContain('\\u001b[2J');
});

test('shows texts that clients choose to a developer without control codes', async () => {
  const destination = new PassThrough();
  createLogger({ level: 'info', isPretty: true }, destination).info({ user: TRICKS }, 'rate limit reached');
  const [bytes] = await once(destination, 'data');
  const output = String(bytes);
  expect(output).toContain('\\u001b[2J');
  expect(output).not.toContain('\u001b[2J');
});

test('readable lines of workers name their node', async () => {
  const destination = new PassThrough();
  const options = { level: 'info', isPretty: true, node: 'gateway-1/2', showsNode: true };
  createLogger(options, destination).info({ port: 4000 }, 'listening');
  const [bytes] = await once(destination, 'data');
  expect(String(bytes)).toContain('[gateway-1/2] listening');
});
