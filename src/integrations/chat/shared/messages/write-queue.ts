import { GatewayError } from '../../../../errors.js';
import { type BatchSize, createTimedBatcher } from '../../../../platform/concurrency/batcher.js';
import { createKeyedMutex } from '../../../../platform/concurrency/keyed-mutex.js';
import type { Clock } from '../../../../platform/time/clock.js';
import type { Draft, InsertMessages, Stored } from './draft.js';

/** Stores messages. A sender's `clientMessageId` is stored once per conversation. */
export interface WriteQueue<M> {
  add(draft: Draft<M>): Promise<Stored<M>>;
  /** Writes all queued messages. */
  flush(): Promise<void>;
}

interface Dependencies<M> {
  insert: InsertMessages<M>;
  clock: Clock;
  /** Stores messages of several conversations in one write; `undefined`: no batching. */
  batch?: BatchSize | undefined;
  /** How long a message may wait for its write to begin. After that it is refused and never stored. */
  waitMs: number;
}

/**
 * With `batch`, messages of all conversations are collected for one write; otherwise each conversation has a queue of
 * its own.
 */
export const createWriteQueue = <M>({ insert, clock, batch, waitMs }: Dependencies<M>): WriteQueue<M> =>
  batch === undefined ? createQueues(insert, { clock, waitMs }) : createBatches(insert, { ...batch, clock, waitMs });

/** Maximum number of messages in one write. */
const GROUP_MAX = 100;
/** Maximum number of concurrent writes in one conversation. */
const WRITES_MAX = 8;
const RETRY_AFTER_MS = 1000;
/** After this time a write is slow, and messages of other senders no longer wait for it. */
const PATIENCE_MS = 50;

interface Waiting<M> {
  readonly draft: Draft<M>;
  resolve(stored: Stored<M>): void;
  reject(error: unknown): void;
  /** Cancels the time-out; to be called when the write begins. */
  stopWaiting(): void;
}

type Waits = Pick<Dependencies<never>, 'clock' | 'waitMs'>;

/** The queue of one conversation. */
interface Queue<M> {
  waiting: Waiting<M>[];
  writes: number;
  slowWrites: number;
  /** Senders of messages being written. Their next messages wait. */
  readonly writing: Set<string>;
}

/**
 * Runs one write per conversation at a time; messages that arrive during a write go together into the next. So messages of
 * one node do not compete for a position. Other senders do not wait for a slow write: their messages may overtake it and get
 * lower positions.
 */
function createQueues<M>(insert: InsertMessages<M>, { clock, waitMs }: Waits): WriteQueue<M> {
  const queues = new Map<string, Queue<M>>();

  const begin = (queue: Queue<M>): void => {
    const group = queue.writes >= WRITES_MAX ? [] : takeGroup(queue, GROUP_MAX);
    if (group.length === 0) return;
    queue.writes += 1;
    let isSlow = false;
    const takeMore = (): Waiting<M>[] => {
      const more = takeGroup(queue, GROUP_MAX - group.length);
      group.push(...more);
      return more;
    };
    const cancel = clock.after(PATIENCE_MS, () => {
      isSlow = true;
      queue.slowWrites += 1;
      begin(queue);
    });
    void run(insert, { group, takeMore }).then(() => {
      cancel();
      queue.writes -= 1;
      if (isSlow) queue.slowWrites -= 1;
      for (const { draft } of group) queue.writing.delete(draft.sender);
      begin(queue);
      const { parent } = group[0]?.draft ?? { parent: '' };
      if (queue.writes === 0 && queues.get(parent) === queue) queues.delete(parent);
    });
  };

  return {
    add: (draft) =>
      new Promise((resolve, reject) => {
        const queue = queues.get(draft.parent) ?? {
          waiting: [],
          writes: 0,
          slowWrites: 0,
          writing: new Set<string>(),
        };
        queues.set(draft.parent, queue);
        const stopWaiting = clock.after(waitMs, () => {
          queue.waiting = queue.waiting.filter((one) => one !== waiting);
          reject(new GatewayError('UNAVAILABLE', { retryAfterMs: RETRY_AFTER_MS }));
        });
        const waiting: Waiting<M> = { draft, resolve, reject, stopWaiting };
        queue.waiting.push(waiting);
        if (queue.writes === queue.slowWrites) begin(queue);
      }),
    flush: async () => undefined,
  };
}

/** Dequeues the first messages that need not wait for an earlier message of their sender. */
function takeGroup<M>(queue: Queue<M>, sizeMax: number): Waiting<M>[] {
  const isReady = ({ draft }: Waiting<M>): boolean => !queue.writing.has(draft.sender);
  const group = queue.waiting.filter(isReady).slice(0, sizeMax);
  const taken = new Set(group);
  for (const { draft, stopWaiting } of group) {
    stopWaiting();
    queue.writing.add(draft.sender);
  }
  queue.waiting = queue.waiting.filter((one) => !taken.has(one));
  return group;
}

/** Writes a group, which can grow, and settles each of its messages. Never rejects. */
async function run<M>(
  insert: InsertMessages<M>,
  { group, takeMore }: { group: readonly Waiting<M>[]; takeMore: () => readonly Waiting<M>[] },
): Promise<void> {
  const draftOf = ({ draft }: Waiting<M>): Draft<M> => draft;
  try {
    const results = await insert(group.map(draftOf), () => takeMore().map(draftOf));
    for (const [index, { resolve, reject }] of group.entries()) {
      const result = results[index];
      if (result === undefined || result instanceof Error) reject(result);
      else resolve(result);
    }
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

/** Collects the messages of all conversations for a time, then writes them together. */
function createBatches<M>(insert: InsertMessages<M>, size: BatchSize & Waits): WriteQueue<M> {
  const mutex = createKeyedMutex(size);
  const { add, flush } = createTimedBatcher<Draft<M>, Stored<M>>((drafts) => {
    const parents = [...new Set(drafts.map(({ parent }) => parent))];
    return mutex.run(parents, () => insert(drafts));
  }, size);
  return { add, flush };
}
