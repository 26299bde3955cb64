import type { Connection } from 'mongoose';
import type { Logger } from '../../logging/logger.js';
import type { Clock } from '../../time/clock.js';
import { isDatabaseAway } from '../errors.js';
import { createAll, type IndexOptions, reviewIndexes } from './index.js';
import { isNeededFirst } from './wanted.js';

/** How often the indexes of the database are counted, which is one small command. Where it is refused, all are compared. */
const LOOK_MS = 30_000;

/** Watches the indexes while the gateway serves. */
export interface IndexWatch {
  /** To be called when all indexes are built. */
  start(): void;
  stop(): void;
}

/**
 * Creates the gateway's own indexes again when they are gone: a service that synchronises the indexes of older models drops what
 * these do not name. Without its unique indexes two nodes store different messages at one position, and one of them is never
 * delivered.
 */
export function createIndexWatch(
  connection: Connection,
  { clock, logger, ...options }: IndexOptions & { readonly clock: Clock; readonly logger: Logger },
): IndexWatch {
  /** How many indexes there are when all are there; `undefined`: they are to be compared. */
  let known: number | undefined;
  let isLooking = false;
  let isStopped = false;
  let endLooks = (): void => undefined;

  /** What the last comparison has found and logged. */
  let told: ReadonlySet<string> = new Set();

  /** @returns `undefined`: the database does not say, as to a user without the right */
  const count = async (): Promise<number | undefined> => {
    try {
      const { indexes } = (await connection.db?.command({ dbStats: 1 })) ?? {};
      return typeof indexes === 'number' ? indexes : undefined;
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      return undefined;
    }
  };

  /** @returns whether none was missing */
  const createMissing = async (): Promise<boolean> => {
    const { missing } = await reviewIndexes(connection, options);
    const own = missing.filter(({ isOwn }) => isOwn);
    const indexes = own.map(({ collection, name }) => `${collection}: ${name}`);
    const isNew = (text: string): boolean => !told.has(text);
    if (indexes.some(isNew)) {
      logger.warn({ indexes }, 'database: indexes of the gateway are gone; creating them again');
    }
    const problems = (await createAll(connection, own)).filter(({ index }) => isNeededFirst(index));
    for (const { sentence, command } of problems.filter((problem) => isNew(problem.sentence))) {
      logger.error({ sentence, command }, 'database: an index is gone and cannot be created; messages may be lost');
    }
    told = new Set([...indexes, ...problems.map(({ sentence }) => sentence)]);
    return own.length === 0;
  };

  const look = async (): Promise<void> => {
    // Before the comparison, so that one which goes meanwhile makes a difference next time.
    const found = await count();
    if (found === undefined || found !== known) known = (await createMissing()) ? found : undefined;
  };

  const lookAgain = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    // What fails is repeated: the database is away.
    await look().catch(() => undefined);
    isLooking = false;
  };

  return {
    start() {
      // The gateway may have been closed while indexes were built.
      if (!isStopped) endLooks = clock.every(LOOK_MS, () => void lookAgain());
    },
    stop() {
      isStopped = true;
      endLooks();
    },
  };
}
