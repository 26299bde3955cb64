import type { Client } from './clients.js';
import type { Line } from './results.js';
import type { Rig } from './rig.js';
import { repeat } from './rounds.js';
import { quantile } from './statistics.js';

const TEXT = 'The quick brown fox jumps over the lazy dog.';

/** How long a message took. */
interface Timing {
  /** To its acknowledgement. */
  readonly ackedMs: number;
  /** To its arrival at the last of those who hear of it. */
  readonly arrivedMs: number;
}

/** The events of one kind of chat. */
interface MessageEvents {
  /** What a client emits. */
  readonly send: string;
  /** What the others hear. */
  readonly heard: string;
  /** The field with the client's id of a message. */
  readonly id: string;
  /** The field with the text. */
  readonly text: string;
  /** The field with the id of the conversation. */
  readonly place: string;
}

/** Sends messages and measures when they arrive at all listeners. */
export function createSay(events: MessageEvents, listeners: readonly Client[]) {
  const waiting = new Map<unknown, { left: number; done(): void }>();
  for (const { socket } of listeners) {
    socket.on(events.heard, (message: Readonly<Record<string, unknown>>) => {
      const entry = waiting.get(message[events.id]);
      if (entry === undefined) return;
      entry.left -= 1;
      if (entry.left === 0) entry.done();
    });
  }
  let count = 0;
  return async function sayAndWait(sender: Client, conversationId: string): Promise<Timing> {
    count += 1;
    const id = `m${count}`;
    const startedAt = performance.now();
    const arrived = new Promise<number>((resolve) => {
      waiting.set(id, { left: listeners.length, done: () => resolve(performance.now() - startedAt) });
    });
    await sender.ask(events.send, { [events.place]: conversationId, [events.text]: TEXT, [events.id]: id });
    const ackedMs = performance.now() - startedAt;
    const arrivedMs = await arrived;
    waiting.delete(id);
    return { ackedMs, arrivedMs };
  };
}

/** Messages that several workers send, each one after the other. */
interface Talk {
  readonly rounds: number;
  /** Messages of one round. */
  readonly messages: number;
  readonly inFlight: number;
  /** Sends one. @param worker from 0 to below `inFlight` */
  say(worker: number): Promise<Timing>;
  /** What follows each message, without its time. */
  after?(worker: number): Promise<unknown>;
}

/** Measures what messages take and cost. */
export const measureTalk = (rig: Rig, { rounds, messages, inFlight, say, after }: Talk): Promise<Line[]> =>
  repeat(rounds, async (add) => {
    const acked: number[] = [];
    const arrived: number[] = [];
    const work = async (worker: number): Promise<void> => {
      for (let n = worker; n < messages; n += inFlight) {
        const { ackedMs, arrivedMs } = await say(worker);
        acked.push(ackedMs);
        arrived.push(arrivedMs);
        await after?.(worker);
      }
    };
    const used = await withCpu(rig, messages, async () => {
      await Promise.all(Array.from({ length: inFlight }, (_, worker) => work(worker)));
    });
    add('to ack, p50 ms', quantile(acked, 0.5));
    add('to ack, p99 ms', quantile(acked, 0.99));
    add('to the last participant, p50 ms', quantile(arrived, 0.5));
    add('to the last participant, p99 ms', quantile(arrived, 0.99));
    add('messages per second', used.perSecond);
    add('CPU of the gateway, ms', used.gateway);
    add('CPU of the database, ms', used.database);
  });

/** CPU time of some work, in milliseconds per operation. */
export async function withCpu(rig: Rig, operations: number, work: () => Promise<void>) {
  const before = await rig.cpu();
  const startedAt = performance.now();
  await work();
  const durationMs = performance.now() - startedAt;
  const after = await rig.cpu();
  const perOperation = (used: number): number => used / operations / 1000;
  return {
    perSecond: (operations / durationMs) * 1000,
    gateway: perOperation(after.gateway - before.gateway),
    database: perOperation(after.database - before.database),
  };
}
