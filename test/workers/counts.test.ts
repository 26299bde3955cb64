import { expect, test } from 'vitest';
import type { CountChange, CountKind } from '../../src/platform/peer-counts.js';
import { createCountExchange, createWorkerCounts, type WorkerCounts } from '../../src/workers/counts.js';
import { createTestClock } from '../support/clock.js';

/** Workers that share their counts, and what each has heard of the others. */
function createWorkers() {
  const clock = createTestClock();
  const workers = new Map<number, { counts: WorkerCounts; heard: Map<string, number> }>();
  const exchange = createCountExchange((number, changes) => workers.get(number)?.counts.take(changes));
  const kinds: readonly CountKind[] = ['connections', 'refused'];
  return {
    clock,
    start(number: number) {
      const counts = createWorkerCounts(clock, (changes) => exchange.share(number, changes));
      const heard = new Map<string, number>();
      workers.set(number, { counts, heard });
      exchange.join(number);
      const listen = ({ key, by }: CountChange): void => void heard.set(key, (heard.get(key) ?? 0) + by);
      // As a gateway that begins to listen later.
      for (const kind of kinds) counts.subscribe(kind, listen);
      return { counts, heard };
    },
    end: (number: number) => {
      workers.delete(number);
      exchange.leave(number);
    },
  };
}

test('each worker hears the counts of the others, one that starts later too, and those of one that ends are taken back', () => {
  const { clock, start, end } = createWorkers();
  const [one, two] = [start(1), start(2)];
  for (const by of [1, 1, -1, 1]) one.counts.publish({ kind: 'connections', key: 'a', by });
  two.counts.publish({ kind: 'connections', key: 'a', by: 1 });
  clock.advance(1000);
  const three = start(3);
  expect([one, two, three].map(({ heard }) => heard.get('a'))).toEqual([1, 2, 3]);
  end(1);
  expect([two, three].map(({ heard }) => heard.get('a'))).toEqual([0, 1]);
});

test('refused CONNECTs are heard by the workers of that moment, and stay counted when their worker ends', () => {
  const { clock, start, end } = createWorkers();
  const [one, two] = [start(1), start(2)];
  one.counts.publish({ kind: 'refused', key: 'a', by: 1 });
  clock.advance(1000);
  end(1);
  expect(two.heard.get('a')).toBe(1);
  expect(start(3).heard.get('a')).toBeUndefined();
});
