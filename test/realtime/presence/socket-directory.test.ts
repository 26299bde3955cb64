import { type Connection, createConnection } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineSocket } from '#shared/models/socket.js';
import { createSocketDirectory, type SocketDirectory } from '../../../src/realtime/presence/socket-directory.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { type EmbeddedTestDatabase, startEmbeddedDatabase, survivingOptions } from '../../support/database.js';
import { until } from '../../support/until.js';

let database: EmbeddedTestDatabase;
let connection: Connection;
let model: ReturnType<typeof defineSocket>;
let clock: TestClock;
let sockets: SocketDirectory;

beforeAll(async () => {
  database = await startEmbeddedDatabase();
  connection = createConnection(database.url, { ...survivingOptions, serverSelectionTimeoutMS: 300 });
  model = defineSocket(connection);
  await model.createIndexes();
});
afterAll(async () => {
  await connection.close();
  await database.stop();
});
beforeEach(async () => {
  await model.deleteMany();
  clock = createTestClock();
  sockets = createSocketDirectory({ model, clock, logger: pino({ enabled: false }) });
});

/** Starts the database again, and waits until the driver has found it: it looks for it no longer than a moment. */
async function restartDatabase(): Promise<void> {
  await database.restart();
  await until(() =>
    model.findOne().then(
      () => true,
      () => false,
    ),
  );
}

const idsOf = async (user: string): Promise<string[] | undefined> => (await model.findOne({ user }).lean())?.socket_ids;

describe('the socket directory', () => {
  test('keeps one document per user, with each socket once', async () => {
    await sockets.join('ann', 'one');
    await sockets.join('ann', 'two');
    await sockets.join('ann', 'one');
    const documents = await model.find().lean();
    expect(documents).toHaveLength(1);
    expect(documents[0]).toMatchObject({ user: 'ann', socket_ids: ['one', 'two'] });
    expect(documents[0]).toHaveProperty('createdAt', expect.any(Date));
    expect(documents[0]).toHaveProperty('updatedAt', expect.any(Date));
  });

  test('takes many first sockets of one user at once', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `socket-${i}`);
    await Promise.all(ids.map((id) => sockets.join('ann', id)));
    expect(await model.countDocuments()).toBe(1);
    expect((await idsOf('ann'))?.toSorted()).toEqual(ids.toSorted());
  });

  test('takes out the socket that leaves and no other', async () => {
    await sockets.join('ann', 'one');
    await sockets.join('ann', 'two');
    await sockets.join('bob', 'three');
    await sockets.leave('ann', 'one');
    expect(await idsOf('ann')).toEqual(['two']);
    expect(await idsOf('bob')).toEqual(['three']);
  });

  test('leaves nothing behind when a socket leaves before its joining is done', async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `socket-${i}`);
    await Promise.all(ids.flatMap((id) => [sockets.join('ann', id), sockets.leave('ann', id)]));
    expect(await idsOf('ann')).toEqual([]);
  });

  test.each([
    ['text', 'odd'],
    ['nothing', null],
    ['a number', 7],
    ['an object', { 0: 'one' }],
  ])('keeps the sockets of everybody when %s is in the place of a list', async (_name, stored) => {
    await sockets.join('ann', 'one');
    await sockets.join('bob', 'two');
    await model.collection.updateOne({ user: 'ann' }, { $set: { socket_ids: stored } } as never);
    await sockets.forget([
      { userId: 'ann', socketId: 'one' },
      { userId: 'bob', socketId: 'two' },
    ]);
    await sockets.join('eve', 'three');
    await sockets.leave('eve', 'three');
    expect([await idsOf('bob'), await idsOf('eve')]).toEqual([[], []]);
    await sockets.join('ann', 'four');
    expect(await idsOf('ann')).toEqual(['four']);
  });

  // The embedded database carries out one command after the other; MongoDB does not, so the two races are arranged.
  const racing = (updateOne: (call: () => unknown) => unknown): SocketDirectory => {
    const value = (...args: Parameters<typeof model.updateOne>) => updateOne(() => model.updateOne(...args));
    const raced: typeof model = Object.create(model, { updateOne: { value } });
    return createSocketDirectory({ model: raced, clock, logger: pino({ enabled: false }) });
  };

  test('does not let a leaving overtake a joining', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const directory = racing((call) => held.then(call));
    const joined = directory.join('ann', 'one');
    const left = directory.leave('ann', 'one');
    await sockets.join('ann', 'two');
    release();
    await Promise.all([joined, left]);
    expect(await idsOf('ann')).toEqual(['two']);
  });

  test('joins again when another first socket was quicker', async () => {
    let isQuicker = true;
    const directory = racing(async (call) => {
      if (!isQuicker) return call();
      isQuicker = false;
      await model.create({ user: 'ann', socket_ids: ['quicker'] });
      return model.create({ user: 'ann', socket_ids: ['slower'] });
    });
    await directory.join('ann', 'slower');
    expect(await idsOf('ann')).toEqual(['quicker', 'slower']);
  });

  test('forgets the sockets of a dead node, and no others', async () => {
    for (const user of ['ann', 'bob', 'eve']) {
      await sockets.join(user, `${user}-dead`);
      await sockets.join(user, `${user}-live`);
    }
    await sockets.forget([
      { userId: 'ann', socketId: 'ann-dead' },
      { userId: 'bob', socketId: 'bob-dead' },
      { userId: 'unknown-user', socketId: 'x' },
    ]);
    expect(await idsOf('ann')).toEqual(['ann-live']);
    expect(await idsOf('bob')).toEqual(['bob-live']);
    expect(await idsOf('eve')).toEqual(['eve-dead', 'eve-live']);
    expect(await idsOf('unknown-user')).toBeUndefined();
  });

  test('restores the sockets that joined here and are still here', async () => {
    await sockets.join('ann', 'here');
    await sockets.join('ann', 'left');
    await sockets.leave('ann', 'left');
    await model.updateMany({}, { $set: { socket_ids: [] } });
    const restored = ['here', 'left', 'never'].map((socketId) => ({ userId: 'ann', socketId }));
    await sockets.restore(restored);
    expect(await idsOf('ann')).toEqual(['here']);
  });

  test('is empty after it was cleared', async () => {
    await sockets.join('ann', 'one');
    await sockets.join('bob', 'two');
    await sockets.clear();
    expect([await idsOf('ann'), await idsOf('bob')]).toEqual([[], []]);
  });

  test('takes out what left while the database was away as soon as it is back', async () => {
    await sockets.join('ann', 'one');
    await sockets.join('ann', 'two');
    await sockets.join('bob', 'three');
    await database.kill();
    await sockets.leave('ann', 'one');
    await sockets.forget([{ userId: 'bob', socketId: 'three' }]);
    await expect(sockets.join('eve', 'four')).rejects.toThrow();
    await restartDatabase();
    await clock.advanceUntil(
      2_000,
      async () => (await idsOf('ann'))?.length === 1 && (await idsOf('bob'))?.length === 0,
    );
    expect(await idsOf('ann')).toEqual(['two']);
  });

  test('completes pending removals when it closes', async () => {
    await sockets.join('ann', 'one');
    await database.kill();
    await sockets.leave('ann', 'one');
    await restartDatabase();
    await sockets.close();
    expect(await idsOf('ann')).toEqual([]);
  });
});
