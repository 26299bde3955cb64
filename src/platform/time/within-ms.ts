import type { Clock } from './clock.js';

/** @throws Error when `promise` has not settled within `limitMs` */
export async function withinMs<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

interface Limit<T> {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly fallback: T;
}

/** The value of a promise; the fallback when it rejects or takes longer. */
export function valueWithin<T>(promise: Promise<T>, { clock, limitMs, fallback }: Limit<T>): Promise<T> {
  return new Promise((resolve) => {
    const cancel = clock.after(limitMs, () => resolve(fallback));
    promise.then(resolve, () => resolve(fallback)).finally(cancel);
  });
}
