import { GatewayError } from '../../errors.js';
import { createBatcher, createLoader } from '../../platform/concurrency/batcher.js';
import type { Redis } from '../../platform/redis/connect.js';
import { type PresenceCommands, toPresence } from './commands.js';
import type { Presence, PresenceStore } from './index.js';

/** Users whose presence is read together. */
const READS_MAX = 1000;
/** Questions, each about some users, that are answered together. */
const QUESTIONS_MAX = 100;

/** The questions about the sockets of all nodes. */
export type PresenceReader = Pick<
  PresenceStore,
  'get' | 'presentAmong' | 'hasSockets' | 'placesOf' | 'socketsOf' | 'nodes'
>;

/** Reads presence from Redis. Questions of the same turn of the event loop share their commands. */
export function createPresenceReader({
  redis,
  commands,
  written,
  hasOwn,
}: {
  redis: Pick<Redis, 'isReady' | 'publisher'>;
  commands: PresenceCommands;
  /** Resolves when what this node has added and removed before is in Redis. */
  written(): Promise<void>;
  /** Whether this node has a socket. */
  hasOwn(): boolean;
}): PresenceReader {
  const loadPresence = createLoader<Presence>(
    async (userIds) => new Map((await commands.read(userIds)).map((one) => [one.userId, one])),
    READS_MAX,
  );
  const readPresent = createBatcher<readonly string[], ReadonlySet<string>>(async (questions) => {
    // What this node published before has reached Redis when the reply is here.
    await redis.publisher.sendCommand(['PING']);
    // Users who come together have contacts in common.
    const present = await commands.readPresent([...new Set(questions.flat())]);
    return questions.map(() => present);
  }, QUESTIONS_MAX);

  /** While Redis is not ready the lease of this node may have expired, so an answer could be wrong. */
  const ask = async <T>(question: () => Promise<T>): Promise<T> => {
    if (!redis.isReady()) throw new GatewayError('UNAVAILABLE');
    try {
      await written();
      return await question();
    } catch (cause) {
      throw new GatewayError('UNAVAILABLE', {}, { cause });
    }
  };

  return {
    async get(userIds) {
      const found = await ask(() => Promise.all(userIds.map(loadPresence)));
      return found.map((one, index) => one ?? toPresence(userIds[index] ?? ''));
    },
    async presentAmong(userIds) {
      const present = await ask(() => readPresent(userIds));
      return new Set(userIds.filter((userId) => present.has(userId)));
    },
    hasSockets: async () => hasOwn() || ask(() => commands.hasSockets()),
    placesOf: (userId) => ask(() => commands.placesOf(userId)),
    socketsOf: (userId, range) => ask(() => commands.socketsOf(userId, range)),
    nodes: () => ask(() => commands.nodes()),
  };
}
