import { GatewayError } from '../../../../errors.js';
import { type BatchSize, createTimedBatcher } from '../../../../platform/batcher.js';
import type { Clock } from '../../../../platform/clock.js';
import { createKeyedMutex } from '../../../../platform/keyed-mutex.js';
import type { Draft, MessageWriter, Stored } from './writer.js';

/** A message to store. Messages of one sender in a conversation are stored in the order in which they were added. */
export interface Utterance<M> extends Draft<M> {
  readonly sender: string;
}

/** Stores messages, each `clientMessageId` of a sender in a conversation once. */
export interface MessageStore<M> {
  add(utterance: Utterance<M>): Promise<Stored<M>>;
  /** Stores what is waiting to be stored. */
  flush(): Promise<void>;
}

interface Dependencies<M> {
  writer: MessageWriter<M>;
  clock: Clock;
  /** Several messages, of any conversations, are stored in one write; `undefined`: no batching. */
  batch?: BatchSize | undefined;
  /** How long a message may wait for its write to begin; it is refused then, and never stored. */
  waitMs: number;
}

export const createMessageStore = <M>({ writer, clock, batch, waitMs }: Dependencies<M>): MessageStore<M> =>
  batch === undefined ? createLines(writer, { clock, waitMs }) : createBatches(writer, { ...batch, clock, waitMs });

/** Messages of one write at most. */
const GROUP_MAX = 100;
/** Writes of one conversation at a time. */
const WRITES_MAX = 8;
const RETRY_AFTER_MS = 1000;
/** After this time a write is slow, and those who do not need its outcome no longer wait for it. */
const PATIENCE_MS = 50;

interface Waiting<M> {
  readonly utterance: Utterance<M>;
  resolve(stored: Stored<M>): void;
  reject(error: unknown): void;
  /** To be called when its write begins. */
  stopWaiting(): void;
}

type Waits = Pick<Dependencies<never>, 'clock' | 'waitMs'>;

/** One conversation. */
interface Line<M> {
  waiting: Waiting<M>[];
  writes: number;
  slowWrites: number;
  /** Senders of what is being written: their next messages wait. */
  readonly writing: Set<string>;
}

/**
 * One write for each conversation at a time: what is said meanwhile waits, and goes together with the next. So messages of
 * one node do not compete for a position. A write that takes long is not waited for: the messages of others may pass it, and
 * get the lower positions.
 */
function createLines<M>(writer: MessageWriter<M>, { clock, waitMs }: Waits): MessageStore<M> {
  const lines = new Map<string, Line<M>>();

  const begin = (line: Line<M>): void => {
    const group = takeGroup(line);
    if (group.length === 0) return;
    const senders = new Set(group.map(({ utterance }) => utterance.sender));
    line.writes += 1;
    for (const sender of senders) line.writing.add(sender);
    let isSlow = false;
    const cancel = clock.after(PATIENCE_MS, () => {
      isSlow = true;
      line.slowWrites += 1;
      begin(line);
    });
    void run(writer, group).then(() => {
      cancel();
      line.writes -= 1;
      if (isSlow) line.slowWrites -= 1;
      for (const sender of senders) line.writing.delete(sender);
      begin(line);
      const { parent } = group[0]?.utterance ?? { parent: '' };
      if (line.writes === 0 && lines.get(parent) === line) lines.delete(parent);
    });
  };

  return {
    add: (utterance) =>
      new Promise((resolve, reject) => {
        const line = lines.get(utterance.parent) ?? {
          waiting: [],
          writes: 0,
          slowWrites: 0,
          writing: new Set<string>(),
        };
        lines.set(utterance.parent, line);
        const stopWaiting = clock.after(waitMs, () => {
          line.waiting = line.waiting.filter((one) => one !== waiting);
          reject(new GatewayError('UNAVAILABLE', { retryAfterMs: RETRY_AFTER_MS }));
        });
        const waiting: Waiting<M> = { utterance, resolve, reject, stopWaiting };
        line.waiting.push(waiting);
        if (line.writes === line.slowWrites) begin(line);
      }),
    flush: async () => undefined,
  };
}

/** Takes the first messages that need not wait for others of their senders. */
function takeGroup<M>(line: Line<M>): Waiting<M>[] {
  if (line.writes >= WRITES_MAX) return [];
  const isReady = ({ utterance }: Waiting<M>): boolean => !line.writing.has(utterance.sender);
  const group = line.waiting.filter(isReady).slice(0, GROUP_MAX);
  const taken = new Set(group);
  for (const { stopWaiting } of group) stopWaiting();
  line.waiting = line.waiting.filter((one) => !taken.has(one));
  return group;
}

/** Writes a group and tells each what became of it. Never rejects. */
async function run<M>(writer: MessageWriter<M>, group: readonly Waiting<M>[]): Promise<void> {
  try {
    const results = await writer.write(group.map(({ utterance }) => utterance));
    for (const [index, { resolve, reject }] of group.entries()) {
      const result = results[index];
      if (result === undefined || result instanceof Error) reject(result);
      else resolve(result);
    }
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

/** One write for the messages of all conversations that come within a time. */
function createBatches<M>(writer: MessageWriter<M>, size: BatchSize & Waits): MessageStore<M> {
  const mutex = createKeyedMutex(size);
  const { add, flush } = createTimedBatcher<Utterance<M>, Stored<M>>((utterances) => {
    const parents = [...new Set(utterances.map(({ parent }) => parent))];
    return mutex.run(parents, () => writer.write(utterances));
  }, size);
  return { add, flush };
}
