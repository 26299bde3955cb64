import type { RedisClient } from './connection.js';
import type { Members } from './members.js';
import { LostMessageError } from './refusal.js';
import type { Subscriptions } from './subscriptions.js';

/** A part of the self-check. @throws (rejects) the problem */
export type Probe = () => Promise<void> | void;

/** Checks that Redis works as required. */
export interface SelfCheck {
  /** Runs the check. @throws the first refusal, or missing subscription or message */
  run(): Promise<void>;
  /** Adds `probe` to the check. @returns removes it */
  addProbe(probe: Probe): () => void;
  /** Notifies the other nodes that this node joined or is leaving. */
  announce(what: 'join' | 'leave'): Promise<void>;
}

/** The connections for messages. They lead to the same server. */
export type SelfCheckClients = Readonly<Record<'publisher' | 'subscriber', RedisClient>>;

/** Options of {@link createSelfCheck}. */
export interface SelfCheckOptions {
  clients: SelfCheckClients;
  members: Members;
  subscriptions: Subscriptions;
  /** Prefix of all channels. */
  prefix: string;
  /** Unique for each start of the process. */
  id: string;
}

/**
 * The check performs the gateway's own operations, so it also detects unforeseen refusals. It runs a script that
 * writes, publishes a message and receives it through a channel, and verifies each subscription. It needs
 * no time-outs: Redis replies in order on one connection, so a ping on the subscriber is answered after the message.
 */
export function createSelfCheck({ clients, members, subscriptions, prefix, id }: SelfCheckOptions): SelfCheck {
  const { publisher, subscriber } = clients;
  /** Only this node subscribes to it, so that the self-checks of a node cost the others nothing. */
  const channel = `${prefix}:echo:${id}`;
  const probes = new Set<Probe>();
  let heard = '';
  let round = 0;

  const onEcho = (message: Buffer): void => {
    heard = message.toString();
  };
  const onAnnouncement = (message: Buffer): void => {
    const [what = '', name = ''] = message.toString().split(' ');
    if (what === 'join') members.noteJoined(name);
    if (what === 'leave') members.noteLeft(name);
  };
  void subscriptions.adapter.subscribe(channel, onEcho, true);
  void subscriptions.adapter.pSubscribe(`${prefix}:check:*`, onAnnouncement, true);

  const hearOneself = async (): Promise<void> => {
    round += 1;
    const message = `echo ${round}`;
    await publisher.publish(channel, message);
    await subscriber.ping();
    // Replies that preceded the ping have settled by then.
    await new Promise((resolve) => setImmediate(resolve));
    subscriptions.ensureComplete();
    if (heard !== message) throw new LostMessageError();
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
      await publisher.publish(`${prefix}:check:${id}`, `${what} ${members.name()}`);
    },
  };
}
