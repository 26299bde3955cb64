import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { createLogger } from '../../src/platform/logger.js';
import { freePort } from '../support/redis-server.js';

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
  const line = written((logger) => logger.error({ err: error }, 'not stored'));
  expect(JSON.parse(line)).toMatchObject({ msg: 'not stored', err: { type: 'MongoServerSelectionError' } });
  expect(line).not.toContain('servers');

  const result = { writeErrors: [{ index: 0, code: 11_000, op: { content: 'what ann said' } }] };
  const bulk = new mongo.MongoBulkWriteError({ message: 'E11000', code: 11_000, ...result } as never, result as never);
  const bulkLine = written((logger) => logger.error({ err: bulk }, 'not stored'));
  expect(JSON.parse(bulkLine)).toMatchObject({ err: { code: 11_000, stack: expect.any(String) } });
  expect(bulkLine).not.toContain('what ann said');
});

test('logs the causes of an error, and thrown values of any type', () => {
  const error = new Error('outer', { cause: new Error('inner') });
  const line = written((logger) => logger.error({ err: error }, 'x'));
  expect(JSON.parse(line).err.stack).toMatch(/outer[\s\S]*inner/);
  expect(JSON.parse(written((logger) => logger.error({ err: 'text' }, 'x'))).err).toBe('text');
});
