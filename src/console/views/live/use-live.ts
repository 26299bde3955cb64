import { useEffect, useRef, useState } from 'preact/hooks';
import { request } from '../../api.js';
import { toFailure } from '../../api-error.js';
import { currentTime } from '../../clock.js';
import { addRows, parseLine, type Row, toTexts } from './stream.js';

/** The state of the stream. */
export interface Live {
  readonly rows: readonly Row[];
  /** Records that the gateway has counted instead of sending, since the stream began. */
  readonly dropped: number;
  /** Ids of nodes that send none, because too many streams watch them. */
  readonly unwatched: readonly string[];
  /** Records that came while it was paused; they are shown when it goes on. */
  readonly held: number;
  readonly phase: 'connecting' | 'on' | 'lost';
  /** Why it was lost. It is tried again. */
  readonly error: Error | undefined;
  /** When the last line came, a heartbeat too. */
  readonly heardAt: number | undefined;
  readonly clear: () => void;
  readonly retry: () => void;
}

/** The page is drawn this often at most, however many records come. */
const DRAW_MS = 250;
const RETRY_MS = 3000;

/** What comes between two drawings. */
interface Incoming {
  rows: Row[];
  dropped: number;
  unwatched: string[];
}

const nothing = (): Incoming => ({ rows: [], dropped: 0, unwatched: [] });

/**
 * Follows a stream of records. It restarts when the path changes. While it is paused, the newest records are kept and not shown.
 * @param path below the API, with the filters; `undefined`: not known yet
 */
export function useLive(path: string | undefined, isPaused: boolean): Live {
  const [shown, setShown] = useState<Pick<Live, 'rows' | 'dropped' | 'unwatched'>>(nothing);
  const [held, setHeld] = useState(0);
  const [state, setState] = useState<Pick<Live, 'phase' | 'error' | 'heardAt'>>(STARTING);
  const [attempt, setAttempt] = useState(0);
  const incoming = useRef(nothing());
  const paused = useRef(isPaused);
  paused.current = isPaused;

  const draw = (): void => {
    const { rows, dropped, unwatched } = incoming.current;
    if (paused.current) {
      incoming.current.rows = addRows([], rows).toReversed();
      setHeld(incoming.current.rows.length);
      return;
    }
    setHeld(0);
    if (rows.length === 0 && dropped === 0 && unwatched.length === 0) return;
    incoming.current = nothing();
    setShown((old) => ({
      rows: addRows(old.rows, rows),
      dropped: old.dropped + dropped,
      // A node that was given a place takes part.
      unwatched: [...new Set([...old.unwatched, ...unwatched])].filter(
        (node) => !rows.some(({ record }) => record.node === node),
      ),
    }));
  };
  const latestDraw = useRef(draw);
  latestDraw.current = draw;

  useEffect(() => latestDraw.current(), [isPaused]);

  useEffect(() => {
    const ending = new AbortController();
    let retryTimer: ReturnType<typeof setTimeout> | undefined;
    const timer = setInterval(() => latestDraw.current(), DRAW_MS);
    setState(STARTING);
    if (path === undefined) return () => clearInterval(timer);
    const run = async (): Promise<void> => {
      try {
        const response = await request(path, { signal: ending.signal });
        setState({ phase: 'on', error: undefined, heardAt: currentTime() });
        for await (const text of toTexts(response)) {
          setState({ phase: 'on', error: undefined, heardAt: currentTime() });
          take(text, incoming.current);
        }
        throw new Error('The gateway ended the stream');
      } catch (error) {
        if (ending.signal.aborted) return;
        setState((old) => ({ ...old, phase: 'lost', error: toFailure(error) }));
        retryTimer = setTimeout(() => void run(), RETRY_MS);
      }
    };
    void run();
    return () => {
      ending.abort();
      clearInterval(timer);
      clearTimeout(retryTimer);
    };
  }, [path, attempt]);

  // Other filters are another stream.
  useEffect(() => {
    incoming.current = nothing();
    setShown(nothing());
    setHeld(0);
  }, [path]);

  return {
    ...shown,
    ...state,
    held,
    clear() {
      incoming.current = nothing();
      setShown(nothing());
      setHeld(0);
    },
    retry: () => setAttempt((count) => count + 1),
  };
}

const STARTING = { phase: 'connecting', error: undefined, heardAt: undefined } as const;

let lastId = 0;

function take(lines: readonly string[], incoming: Incoming): void {
  for (const line of lines) {
    const parsed = parseLine(line);
    if (parsed === undefined) continue;
    if ('dropped' in parsed) {
      incoming.dropped += parsed.dropped;
      if (parsed.unwatched !== undefined) incoming.unwatched.push(parsed.unwatched);
      continue;
    }
    lastId++;
    incoming.rows.push({ id: lastId, record: parsed.record });
  }
}
