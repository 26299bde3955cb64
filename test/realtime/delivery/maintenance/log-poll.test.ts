import { expect, test } from 'vitest';
import { LogPoll } from '../../../../src/realtime/delivery/maintenance/log-poll.js';
import { createRandom } from '../../../support/random.js';

/** By the settings: a node polls every 4 s; an entry becomes visible at most 15 s after its time, most within a second. */
const INTERVAL_MS = 4000;
const LATE_MS = 15_000;

interface StoredEntry {
  readonly recipient: string;
  readonly position: number;
  readonly createdAt: number;
  readonly visibleAt: number;
}

/** Polls a log whose entries become visible late. @returns what was read, and the entries that no poll in time has found */
async function pollFor(rounds: number, { each, lateShare, seed }: { each: number; lateShare: number; seed: number }) {
  const { next: random } = createRandom(seed);
  let now = 1_800_000_000_000;
  let read = 0;
  const stored: StoredEntry[] = [];
  const visible = (): StoredEntry[] => stored.filter(({ visibleAt }) => visibleAt <= now);
  const poll = new LogPoll({
    clock: { now: () => now },
    log: {
      async readSince(time) {
        const found = visible().filter(({ createdAt }) => createdAt >= time);
        read += found.length;
        return found;
      },
      countCreated: async (from, to) => visible().filter(({ createdAt }) => createdAt >= from && createdAt < to).length,
    },
  });
  const missed: StoredEntry[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (let n = 0; n < each; n += 1) {
      const createdAt = now + Math.floor(random() * INTERVAL_MS);
      const delay = random() * (random() < lateShare ? LATE_MS : 500);
      stored.push({ recipient: `user-${n}`, position: round + 1, createdAt, visibleAt: createdAt + delay });
    }
    const since = now;
    now += INTERVAL_MS;
    const lasts = await poll.run();
    const fresh = visible().filter(({ visibleAt }) => visibleAt > since);
    missed.push(...fresh.filter(({ recipient, position }) => (lasts.get(recipient)?.position ?? 0) < position));
  }
  return { missed, readEach: read / (rounds * each) };
}

test.each([1, 2, 3, 4, 5])('finds each entry once it is visible, however late (seed %i)', async (seed) => {
  for (const lateShare of [0, 0.02, 0.5]) {
    const { missed } = await pollFor(40, { each: 30, lateShare, seed });
    expect(missed).toEqual([]);
  }
});

test('reads few entries more than once', async () => {
  const { readEach } = await pollFor(50, { each: 100, lateShare: 0, seed: 1 });
  expect(readEach).toBeLessThan(1.6);
});
