import { describe, expect, test } from 'vitest';
import {
  type Acked,
  ackedThrough,
  highestAcked,
  isAcked,
  lowestAcked,
  merge,
} from '../../../../src/realtime/delivery/storage/acked.js';
import { createRandom } from '../../../support/random.js';

const N = 30;
const positions = Array.from({ length: N }, (_, index) => index + 1);

/** The shortest form of a set of acknowledged positions: up to the highest, but for the holes. */
const toAcked = (set: ReadonlySet<number>): Acked => {
  const upTo = Math.max(0, ...set);
  return { upTo, holes: positions.filter((position) => position < upTo && !set.has(position)) };
};
const toSet = (acked: Acked): Set<number> =>
  new Set(positions.filter((position) => isAcked({ x: acked }, 0, { namespace: 'x', position })));

describe('what a device has acknowledged', () => {
  const { next: random } = createRandom(5);
  const randomSet = (): Set<number> => {
    const density = random();
    return new Set(positions.filter(() => random() < density));
  };

  test('merges the acknowledgements of two nodes to their union, in either order', () => {
    for (let round = 0; round < 500; round += 1) {
      const [one, other] = [randomSet(), randomSet()];
      const union = toAcked(new Set([...one, ...other]));
      expect(merge({ x: toAcked(one) }, { x: toAcked(other) })).toEqual({ x: union });
      expect(merge({ x: toAcked(other) }, { x: toAcked(one) })).toEqual({ x: union });
    }
  });

  test('counts as acknowledged up to a position when that was given up', () => {
    for (let round = 0; round < 200; round += 1) {
      const set = randomSet();
      const upTo = Math.floor(random() * N);
      const expected = new Set([...set, ...positions.filter((position) => position <= upTo)]);
      expect(toSet(ackedThrough(toAcked(set), upTo))).toEqual(expected);
    }
  });

  test('is the start of the device without acknowledgements', () => {
    const place = (position: number) => ({ namespace: 'y', position });
    expect([isAcked({}, 5, place(5)), isAcked({}, 5, place(6))]).toEqual([true, false]);
    expect([highestAcked({}, 5, 'y'), lowestAcked({}, 5, 'y')]).toEqual([5, 5]);
  });

  test('leaves nothing unacknowledged up to its lowest position', () => {
    for (let round = 0; round < 200; round += 1) {
      const acked = toAcked(randomSet());
      const lowest = lowestAcked({ x: acked }, 0, 'x');
      const set = toSet(acked);
      expect(positions.filter((position) => position <= lowest).every((position) => set.has(position))).toBe(true);
      expect(set.has(lowest + 1)).toBe(false);
    }
  });

  test('of different namespaces stays apart', () => {
    const acked = merge({ x: { upTo: 3, holes: [] } }, { y: { upTo: 9, holes: [2] } });
    expect(acked).toEqual({ x: { upTo: 3, holes: [] }, y: { upTo: 9, holes: [2] } });
    expect(isAcked(acked, 0, { namespace: 'x', position: 5 })).toBe(false);
  });
});
