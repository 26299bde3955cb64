import { useEffect, useRef, useState } from 'preact/hooks';
import { toFailure } from './api-error.js';
import { currentTime } from './clock.js';

/** What a view knows. At first nothing; later the last answer, and the error of the last call when it failed. */
export interface Loaded<T> {
  readonly data: T | undefined;
  /** When `data` was answered, in milliseconds. */
  readonly answeredAt: number | undefined;
  /** Why the last call failed. `data` is that of an earlier call then: it is stale. */
  readonly error: Error | undefined;
  /** Asks again now. */
  readonly reload: () => void;
}

/** The gateway shares some answers for a second, so the first one after an act may be from before it. */
const AFTER_ACT_MS = 1500;

/** How a view loads. */
export interface LoadOptions {
  /** Ask again after this time; absent: once. */
  readonly everyMs?: number;
  /** Load anew, from nothing, when it changes: the id of what is shown. */
  readonly key?: string;
}

/**
 * Loads what a view shows, once or again and again. The last answer stays while the next one is under way, so that nothing
 * flickers. Nothing is asked while the page is hidden.
 * @param load rejects with an `ApiError`
 */
export function useLoaded<T>(
  load: (abort: AbortSignal) => Promise<T>,
  { everyMs, key = '' }: LoadOptions = {},
): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; answeredAt?: number; error?: Error }>({ key });
  const [attempt, setAttempt] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isUnderWay = false;
    let nextMs = attempt > 0 && everyMs !== undefined ? Math.min(everyMs, AFTER_ACT_MS) : everyMs;
    const ask = async (): Promise<void> => {
      if (isUnderWay || ending.signal.aborted) return;
      clearTimeout(timer);
      isUnderWay = true;
      const next = await latest.current(ending.signal).then(
        (data) => () => ({ key, data, answeredAt: currentTime() }),
        (error: unknown) => (old: typeof state) => ({ ...(old.key === key ? old : { key }), error: toFailure(error) }),
      );
      isUnderWay = false;
      if (ending.signal.aborted) return;
      setState(next);
      if (nextMs !== undefined) timer = setTimeout(askWhenVisible, nextMs);
      nextMs = everyMs;
    };
    const askWhenVisible = (): void => {
      if (!document.hidden) void ask();
    };
    const askAgain = (): void => {
      if (everyMs !== undefined) askWhenVisible();
    };
    document.addEventListener('visibilitychange', askAgain);
    void ask();
    return () => {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', askAgain);
    };
    // `attempt` is what `reload` changes.
  }, [key, everyMs, attempt]);

  const current = state.key === key ? state : { key };
  return {
    data: current.data,
    answeredAt: current.answeredAt,
    error: current.error,
    reload: () => setAttempt((count) => count + 1),
  };
}
