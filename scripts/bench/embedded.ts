import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ObjectId } from 'bson';
import { mongo } from 'mongoose';
import type { Document } from '../../src/embedded/bson/values.js';
import type { ServerState } from '../../src/embedded/commands/state/server-state.js';
import { summarize } from './statistics.js';

/*
 * Cost of the embedded database. "Engine" is a command from document to reply document in one process, the log
 * written to a real disk: parsing, planning, index, log. "Driver" is the same through mongodb's driver over the socket.
 */

/** Measures the build, not the source: a TypeScript loader adds a call to every function. */
const built = (path: string): string => new URL(`../../dist/src/embedded/${path}`, import.meta.url).href;
const { createCommandHandler } = (await import(
  built('commands/dispatch.js')
)) as typeof import('../../src/embedded/commands/dispatch.js');
const { Database } = (await import(
  built('engine/database.js')
)) as typeof import('../../src/embedded/engine/database.js');
const { startEmbedded } = (await import(built('index.js'))) as typeof import('../../src/embedded/index.js');
const { createServerState } = (await import(
  built('commands/state/server-state.js')
)) as typeof import('../../src/embedded/commands/state/server-state.js');
const { createDiskStorage } = (await import(
  built('store/disk-storage.js')
)) as typeof import('../../src/embedded/store/disk-storage.js');

const DOCUMENTS = 100_000;
const REPEATS = 10_000;
const DRIVER_REPEATS = 2000;

/** One measured line. */
export interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The upper bound, if any. */
  readonly target?: number;
}

const createDocument = (n: number): Document => ({
  _id: new ObjectId(),
  key: `user-${n}`,
  room: `room-${n % 1000}`,
  n,
  text: 'The quick brown fox jumps over the lazy dog.',
  read: n % 2 === 0,
  createdAt: new Date(1_700_000_000_000 + n * 1000),
  meta: { source: 'bench', tags: ['a', 'b'] },
});

type Send = (command: Document) => Promise<Document>;

function openEngine(directory: string): { state: ServerState; send: Send } {
  const engine = new Database({ storage: createDiskStorage(directory), onProblem: () => {} });
  const state = createServerState(engine);
  const handle = createCommandHandler(state);
  const connection = { id: 1, localAddress: 'bench' };
  const send: Send = async (command) => {
    const message = { requestId: 1, command, database: 'bench', isFireAndForget: false, isLegacy: false };
    const reply = await handle(message, connection);
    if (reply['ok'] !== 1) throw new Error(String(reply['errmsg']));
    return reply;
  };
  return { state, send };
}

async function fill(send: Send): Promise<void> {
  const indexes = [
    { key: { key: 1 }, name: 'key_1', unique: true },
    { key: { room: 1, createdAt: -1 }, name: 'room_1_createdAt_-1' },
  ];
  await send({ createIndexes: 'documents', indexes });
  for (let start = 0; start < DOCUMENTS; start += 1000) {
    const documents = Array.from({ length: 1000 }, (_, position) => createDocument(start + position));
    await send({ insert: 'documents', documents });
  }
}

const ROUNDS = 10;

/**
 * Milliseconds per step, with sixteen steps in flight, as from many clients. Takes the median of the rounds after the
 * first, because other load on the machine affects a few of them.
 */
async function timePerStep(count: number, step: (n: number) => Promise<unknown>): Promise<number> {
  const perRound = Math.ceil(count / ROUNDS);
  const averages: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const from = round * perRound;
    const startedAt = performance.now();
    for (let n = from; n < from + perRound; n += 16) {
      await Promise.all(Array.from({ length: Math.min(16, from + perRound - n) }, (_, offset) => step(n + offset)));
    }
    averages.push((performance.now() - startedAt) / perRound);
  }
  return summarize(averages.slice(1)).median;
}

const at = (n: number): number => (n * 7919) % DOCUMENTS;
const keyAt = (n: number): string => `user-${at(n)}`;

async function measureEngine(send: Send): Promise<Measurement[]> {
  const target = 0.05;
  const line = async (name: string, step: (n: number) => Promise<unknown>): Promise<Measurement> => ({
    name: `engine: ${name}`,
    value: await timePerStep(REPEATS, step),
    unit: 'ms',
    target,
  });
  let inserted = DOCUMENTS;
  return [
    await line('find by unique key', (n) =>
      send({ find: 'documents', filter: { key: keyAt(n) }, limit: 1, singleBatch: true }),
    ),
    await line('update by unique key', (n) =>
      send({ update: 'documents', updates: [{ q: { key: keyAt(n) }, u: { $inc: { n: 1 } } }] }),
    ),
    await line('insert', () => {
      inserted += 1;
      return send({ insert: 'documents', documents: [createDocument(inserted)] });
    }),
    await line('20 newest of a room, by index order', (n) =>
      send({
        find: 'documents',
        filter: { room: `room-${n % 1000}` },
        sort: { createdAt: -1 },
        limit: 20,
        singleBatch: true,
      }),
    ),
  ];
}

async function measureIn(send: Send): Promise<Measurement> {
  const keys = Array.from({ length: 1000 }, (_, n) => keyAt(n));
  const value = await timePerStep(20, () =>
    send({ find: 'documents', filter: { key: { $in: keys } }, batchSize: 1000 }),
  );
  return { name: 'engine: $in of 1,000 keys', value, unit: 'ms', target: 100 };
}

async function measureDriver(directory: string): Promise<Measurement[]> {
  const database = await startEmbedded({ directory });
  const client = await new mongo.MongoClient(database.url).connect();
  try {
    const documents = client.db('bench').collection('documents');
    const line = async (name: string, step: (n: number) => Promise<unknown>): Promise<Measurement> => ({
      name: `driver: ${name}`,
      value: await timePerStep(DRIVER_REPEATS, step),
      unit: 'ms',
    });
    return [
      await line('find by unique key', (n) => documents.findOne({ key: keyAt(n) })),
      await line('update by unique key', (n) => documents.updateOne({ key: keyAt(n) }, { $inc: { n: 1 } })),
      await line('insert', (n) =>
        documents.insertOne(createDocument(DOCUMENTS * 2 + n + Math.floor(Math.random() * 1e12))),
      ),
    ];
  } finally {
    await client.close();
    await database.stop();
  }
}

function heapUsed(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}

/** Runs the benchmark and prints one line per measurement. */
export async function run(): Promise<void> {
  for (const { name, value, unit, target } of await measure()) {
    const bound = target === undefined ? '' : `  (at most ${target})`;
    process.stdout.write(`${name.padEnd(48)}${value.toFixed(unit === 'ms' ? 4 : 0).padStart(12)} ${unit}${bound}\n`);
  }
}

/** Measures the engine in this process, then the same through the driver. */
export async function measure(): Promise<Measurement[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-embedded-'));
  try {
    const heapBefore = heapUsed();
    const { state, send } = openEngine(directory);
    const filledFrom = performance.now();
    await fill(send);
    const fillMs = performance.now() - filledFrom;
    const heapPerDocument = (heapUsed() - heapBefore) / DOCUMENTS;
    const measurements = [...(await measureEngine(send)), await measureIn(send)];
    await state.engine.close();
    const openedFrom = performance.now();
    const reopened = openEngine(directory);
    const openMs = performance.now() - openedFrom;
    const documents = reopened.state.engine.collection('bench', 'documents')?.records.size ?? 0;
    await reopened.state.engine.close();
    return [
      ...measurements,
      { name: `open a log of ${documents} documents`, value: openMs, unit: 'ms', target: 3000 },
      { name: 'insert 100,000 documents by 1,000', value: fillMs, unit: 'ms' },
      { name: 'heap per document, three indexes included', value: heapPerDocument, unit: 'bytes' },
      ...(await measureDriver(directory)),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
