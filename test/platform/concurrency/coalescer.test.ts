import { describe, expect, test } from 'vitest';
import { createCoalescer } from '../../../src/platform/concurrency/coalescer.js';
import { createTestClock } from '../../support/clock.js';
import { createRandom } from '../../support/random.js';

/** A stored state, and what a coalescer sends of it. */
function setUp() {
  const clock = createTestClock();
  const sent: string[] = [];
  const stored = new Map<string, string>();
  const coalescer = createCoalescer({ clock, windowMs: 1000 });
  const change = (state: string, { key = 'ann', node = coalescer } = {}): void => {
    stored.set(key, state);
    void node.offer(key, {
      now: () => void sent.push(`${key} ${state}`),
      later: () => void sent.push(`${key} ${stored.get(key)}`),
    });
  };
  return { clock, sent, coalescer, change };
}

describe('a coalescer', () => {
  test('sends the first state of a burst at once, and the last when the window ends', () => {
    const { clock, sent, change } = setUp();
    for (const state of ['away', 'busy', 'online', 'busy']) change(state);
    expect(sent).toEqual(['ann away']);
    clock.advance(999);
    expect(sent).toEqual(['ann away']);
    clock.advance(1);
    expect(sent).toEqual(['ann away', 'ann busy']);
    clock.advance(60_000);
    expect(sent).toEqual(['ann away', 'ann busy']);
  });

  test('sends at most once in each window, however long a burst lasts', () => {
    const { clock, sent, change } = setUp();
    for (let changes = 0; changes < 1000; changes += 1) {
      change(`state ${changes}`);
      clock.advance(10);
    }
    expect(sent).toHaveLength(11);
    expect(sent.at(-1)).toBe('ann state 999');
  });

  test('sends the same state again in a later window', () => {
    const { clock, sent, change } = setUp();
    change('away');
    clock.advance(1000);
    change('away');
    expect(sent).toEqual(['ann away', 'ann away']);
  });

  test('separates keys', () => {
    const { sent, change } = setUp();
    change('away');
    change('away', { key: 'bob' });
    expect(sent).toEqual(['ann away', 'bob away']);
  });

  test('tells whether a change is one more to send', () => {
    const { clock, coalescer, change } = setUp();
    expect(coalescer.isNew('ann')).toBe(true);
    change('away');
    expect(coalescer.isNew('ann')).toBe(true);
    change('busy');
    expect(coalescer.isNew('ann')).toBe(false);
    clock.advance(2000);
    expect(coalescer.isNew('ann')).toBe(true);
  });

  test('sends nothing newer before a slow read has ended', async () => {
    const clock = createTestClock();
    const coalescer = createCoalescer({ clock, windowMs: 1000 });
    const sent: string[] = [];
    let finish = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const ignore = (): void => undefined;
    await coalescer.offer('ann', { now: ignore, later: ignore });
    await coalescer.offer('ann', { now: ignore, later: () => slow.then(() => void sent.push('old')) });
    clock.advance(1000);
    await coalescer.offer('ann', { now: () => void sent.push('new at once'), later: () => void sent.push('new') });
    clock.advance(5000);
    expect(coalescer.isNew('ann')).toBe(false);
    expect(sent).toEqual([]);
    finish();
    await slow;
    await expect.poll(() => sent).toEqual(['old', 'new']);
  });

  test('corrects what was sent, once, at most in each window, and by what is due if there is something', async () => {
    const { clock, sent, coalescer, change } = setUp();
    const correct = () => coalescer.correct('ann', { later: () => void sent.push('ann corrected') });
    change('away');
    await correct();
    await correct();
    expect(sent).toEqual(['ann away']);
    clock.advance(1000);
    expect(sent).toEqual(['ann away', 'ann corrected']);
    change('busy');
    await correct();
    clock.advance(5000);
    expect(sent).toEqual(['ann away', 'ann corrected', 'ann busy']);
    await correct();
    expect(sent.at(-1)).toBe('ann corrected');
  });

  test('sends what is due when it is flushed, and not again', async () => {
    const { clock, sent, coalescer, change } = setUp();
    change('away');
    change('busy');
    await coalescer.flush();
    clock.advance(10_000);
    expect(sent).toEqual(['ann away', 'ann busy']);
  });
});

describe('coalescers of two nodes', () => {
  test('send the stored state last, whichever node changed it', () => {
    const random = createRandom(7);
    for (let round = 0; round < 200; round += 1) {
      const { clock, sent, coalescer, change } = setUp();
      const nodes = [coalescer, createCoalescer({ clock, windowMs: 1000 })];
      let last = '';
      for (let changes = 0; changes < 12; changes += 1) {
        last = random.pick(['away', 'busy', 'online']);
        change(last, { node: random.pick(nodes) });
        clock.advance(random.integer(700));
      }
      clock.advance(5000);
      expect(sent.at(-1)).toBe(`ann ${last}`);
    }
  });
});
