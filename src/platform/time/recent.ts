import type { Clock } from './clock.js';

/** Remembers keys for a moment. */
export interface Recent {
  /** From now on; a key that is remembered already is not remembered for longer. */
  add(key: string): void;
  has(key: string): boolean;
}

interface Options {
  clock: Clock;
  ttlMs: number;
  /** Keys that are remembered; those beyond are not. */
  max: number;
}

/** Each key holds a timer until it is forgotten. */
export function createRecent({ clock, ttlMs, max }: Options): Recent {
  const keys = new Set<string>();
  return {
    add(key) {
      if (keys.size >= max || keys.has(key)) return;
      keys.add(key);
      clock.after(ttlMs, () => keys.delete(key));
    },
    has: (key) => keys.has(key),
  };
}
