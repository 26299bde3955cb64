import type { Types } from 'mongoose';
import type { Member } from '#shared/models/member.js';
import { isNamed } from './access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, WireMessage } from './kind.js';
import { toUpdate } from './publish.js';
import { prepareToShow } from './to-wire.js';

/** Ends snoozes when their time is over. */
export interface Snoozes {
  /** Ends the expired snoozes of one user now. */
  wake(user: Types.ObjectId): Promise<void>;
  /** Starts the passes. @returns a function that stops them and waits for a running one */
  start(): () => Promise<void>;
}

const INTERVAL_MS = 1000;
const BATCH = 100;

/**
 * Every node looks for expired snoozes. The node whose transaction removes one notifies the user; other nodes find nothing
 * to remove. After a crash, the next pass of any node finds the rest.
 */
export function createSnoozes<D extends Description, M extends WireMessage>(
  dependencies: ConversationDependencies<D, M>,
): Snoozes {
  const { models, kind, counters, publish, clock, logger } = dependencies;
  let looking: Promise<void> | undefined;
  /** A pass was requested while one was running. */
  let isAskedAgain = false;
  let isStopped = false;

  /** Removes one snooze. Does nothing when another node was faster. */
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
    publish([woken.user.toHexString()], toUpdate(toWire(conversation, woken)));
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
      // One failure must not block the others.
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
      .catch((error: unknown) => logger.warn({ err: error }, 'looking for expired snoozes failed'))
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
