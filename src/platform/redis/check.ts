import type { RedisClient } from './connection.js';
import type { Members } from './members.js';
import type { Subscriptions } from './pubsub.js';
import { LostMessageError } from './refusal.js';

/** Part of the self-check. @throws (rejects) with what is wrong */
export type Probe = () => Promise<void> | void;

/** Decides what "Redis works" means. */
export interface SelfCheck {
  /** Tries everything the gateway needs. @throws the first thing that Redis refuses, or that does not stand */
  run(): Promise<void>;
  /** Makes `probe` a part of the check. @returns takes it out again */
  addProbe(probe: Probe): () => void;
  /** Tells the other nodes that this one has joined or is about to leave. */
  announce(what: 'join' | 'leave'): Promise<void>;
}

/** What {@link createSelfCheck} needs. */
export interface SelfCheckOptions {
  clients: Readonly<Record<'publisher' | 'subscriber', RedisClient>>;
  members: Members;
  subscriptions: Subscriptions;
  /** Begins the name of every channel. */
  prefix: string;
  /** Unique to this start of the process. */
  id: string;
}

/**
 * The check is made of what the gateway does, so that it also finds unforeseen refusals: it runs a script that
 * writes, publishes a message, and gets it through a channel and through a pattern, and it sees that each subscription was
 * accepted. Nothing in it waits for a time: Redis answers on one connection in the order asked, so a ping on that of the
 * subscriptions is answered after the message has come.
 */
export function createSelfCheck({ clients, members, subscriptions, prefix, id }: SelfCheckOptions): SelfCheck {
  const { publisher, subscriber } = clients;
  const channel = `${prefix}:check:${id}`;
  const probes = new Set<Probe>();
  const heard = { byChannel: '', byPattern: '' };
  let round = 0;

  const onChannel = (message: Buffer): void => {
    heard.byChannel = message.toString();
  };
  const onPattern = (message: Buffer, from: Buffer): void => {
    const text = message.toString();
    if (from.toString() === channel) {
      heard.byPattern = text;
      return;
    }
    const [what = '', name = ''] = text.split(' ');
    if (what === 'join') members.noteJoined(name);
    if (what === 'leave') members.noteLeft(name);
  };
  void subscriptions.adapter.subscribe(channel, onChannel, true);
  void subscriptions.adapter.pSubscribe(`${prefix}:check:*`, onPattern, true);

  const hearOneself = async (): Promise<void> => {
    round += 1;
    const message = `echo ${round}`;
    await publisher.publish(channel, message);
    await subscriber.ping();
    // What was answered before the ping has settled by then.
    await new Promise((resolve) => setImmediate(resolve));
    subscriptions.ensureComplete();
    if (heard.byChannel !== message || heard.byPattern !== message) throw new LostMessageError();
  };

  return {
    async run() {
      subscriptions.retry();
      await members.renew();
      await hearOneself();
      for (const probe of probes) await probe();
    },
    addProbe(probe) {
      probes.add(probe);
      return () => void probes.delete(probe);
    },
    async announce(what) {
      await publisher.publish(channel, `${what} ${members.name()}`);
    },
  };
}
