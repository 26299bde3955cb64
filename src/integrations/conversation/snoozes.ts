import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import { isNamed } from './access.js';
import { type Announce, toUpdate } from './announce.js';
import type { CounterStore } from './counters/index.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import { prepareToShow } from './to-wire.js';

interface Dependencies<D extends Description, M extends WireMessage> {
  models: Models;
  kind: ConversationKind<D, M>;
  counters: CounterStore;
  announce: Announce;
  clock: Clock;
  logger: Logger;
}

/** Brings snoozed conversations back when their time is up. */
export interface Snoozes {
  /** Those of one user, now. */
  wake(user: Types.ObjectId): Promise<void>;
  /** Begins to look. @returns stops looking, and waits for what is under way */
  start(): () => Promise<void>;
}

const INTERVAL_MS = 1000;
const BATCH = 100;

/**
 * Every node looks for snoozes that are over. Whose transaction takes one off is the one that tells its user; another node
 * finds nothing to take off any more. What a node has not come to before it dies is found by the next look of any other.
 */
export function createSnoozes<D extends Description, M extends WireMessage>(dependencies: Dependencies<D, M>): Snoozes {
  const { models, kind, counters, announce, clock, logger } = dependencies;
  let looking: Promise<void> | undefined;
  /** Time has gone on since the present look began. */
  let isAskedAgain = false;
  let isStopped = false;

  /** Takes one snooze off. Somebody else may have: then nothing happens. */
  const wakeOne = async (member: Pick<Member, '_id' | 'conversation' | 'user'>): Promise<void> => {
    const now = new Date(clock.now());
    const woken = await counters.transact([member.user.toHexString()], async ({ session, record }) => {
      const before = await models.Member.findOneAndUpdate(
        { _id: member._id, conversation: member.conversation, snoozed_until: { $gt: new Date(0), $lte: now } },
        { $set: { snoozed_until: null } },
        { session },
      ).lean();
      if (before === null) return undefined;
      const after = { ...before, snoozed_until: null };
      record(before, after);
      return after;
    });
    if (woken === undefined) return;
    const conversation = await kind.conversations.findById(woken.conversation).lean();
    if (conversation === null || !isNamed(conversation, woken.user)) return;
    const toWire = await prepareToShow(models, kind, [conversation]);
    announce([woken.user.toHexString()], toUpdate(toWire(conversation, woken)));
  };

  const findDue = (more: object) =>
    models.Member.find(
      { kind: kind.name, ...more, snoozed_until: { $gt: new Date(0), $lte: new Date(clock.now()) } },
      { user: 1, conversation: 1 },
    )
      .sort({ snoozed_until: 1 })
      .limit(BATCH)
      .lean();

  const wakeDue = async (): Promise<void> => {
    while (!isStopped) {
      const due = await findDue({});
      const failed: unknown[] = [];
      // One that cannot be woken must not keep the others asleep.
      for (const member of due) await wakeOne(member).catch((error: unknown) => failed.push(error));
      if (failed.length > 0) throw failed[0];
      if (due.length < BATCH) return;
    }
  };

  const look = (): void => {
    if (looking !== undefined) {
      isAskedAgain = true;
      return;
    }
    looking = wakeDue()
      .catch((error: unknown) => logger.warn({ err: error }, 'snoozes: could not look for those that are over'))
      .finally(() => {
        looking = undefined;
        if (!isAskedAgain) return;
        isAskedAgain = false;
        look();
      });
  };

  return {
    async wake(user) {
      for (const member of await findDue({ user })) await wakeOne(member);
    },
    start() {
      const cancel = clock.every(INTERVAL_MS, look);
      return async () => {
        isStopped = true;
        cancel();
        await looking;
      };
    },
  };
}
