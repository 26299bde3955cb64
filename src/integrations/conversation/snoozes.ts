import type { Types } from 'mongoose';
import type { Member } from '#shared/models/member.js';
import { isNamed } from './access.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, WireMessage } from './kind.js';

/** Ends snoozes when their time is over. */
export interface Snoozes {
  /** Ends the expired snoozes of one user now. */
  wake(user: Types.ObjectId): Promise<void>;
  /** A snooze was stored: this node ends it in time. */
  expect(until: Date): void;
  /** Starts the passes. @returns a function that stops them and waits for a running one */
  start(): () => Promise<void>;
}

/** Snoozes are looked for at least so often: another service, or a node that has ended since, may have set one. */
const LOOK_MS = 10_000;
/** Time between two looks while some are over, or after a failure. */
const BUSY_MS = 1000;
const BATCH = 100;
/** As the gateway stores them. Others are in no list, and in no counter. */
const IS_OWN = { user: { $type: 'objectId' }, conversation: { $type: 'objectId' } } as const;

/**
 * A node knows when the next snooze is over, and looks then. So without snoozes it costs one query of one document in
 * {@link LOOK_MS}. All nodes look; the one whose transaction removes a snooze notifies the user, and the others find nothing to
 * remove.
 */
export function createSnoozes<D extends Description, M extends WireMessage>(
  dependencies: ConversationDependencies<D, M>,
): Snoozes {
  const { models, kind, counters, publishConversation, clock, logger } = dependencies;
  let looking: Promise<void> | undefined;
  /** A pass was requested while one was running. */
  let isAskedAgain = false;
  let isStopped = false;
  /** When it looks next: Unix time in milliseconds. */
  let nextAt = Number.POSITIVE_INFINITY;
  let cancelNext = (): void => undefined;

  /** Removes one snooze. Does nothing when another node was faster. */
  const wakeOne = async (member: Pick<Member, '_id' | 'conversation' | 'user'>): Promise<void> => {
    const now = new Date(clock.now());
    const tellUser = async (woken: Member | undefined): Promise<void> => {
      if (woken === undefined) return;
      const conversation = await kind.conversations.findById(woken.conversation).lean();
      if (conversation === null || !isNamed(conversation, woken.user)) return;
      await publishConversation({ conversation, members: [woken] });
    };
    const wake = async ({ session, record }: CountedTransaction): Promise<Member | undefined> => {
      const before = await models.Member.findOneAndUpdate(
        { _id: member._id, conversation: member.conversation, snoozed_until: { $gt: new Date(0), $lte: now } },
        { $set: { snoozed_until: null } },
        { session },
      ).lean();
      if (before === null) return undefined;
      const after = { ...before, snoozed_until: null };
      record(before, after);
      return after;
    };
    await tellUser(await counters.transact([member.user.toHexString()], wake, tellUser));
  };

  const isDue = () => ({ kind: kind.name, snoozed_until: { $gt: new Date(0), $lte: new Date(clock.now()) } });

  const findDue = (more: object) =>
    models.Member.find({ ...isDue(), ...IS_OWN, ...more }, { user: 1, conversation: 1 })
      .sort({ snoozed_until: 1 })
      .limit(BATCH)
      .lean();

  /** No user has them in a list, so there is nothing to count and nobody to notify. */
  const wakeOthers = () =>
    models.Member.collection.updateMany({ ...isDue(), $nor: [IS_OWN] }, { $set: { snoozed_until: null } });

  const wakeDue = async (): Promise<void> => {
    await wakeOthers();
    while (!isStopped) {
      const due = await findDue({});
      const failed: unknown[] = [];
      // One failure must not block the others.
      for (const member of due) await wakeOne(member).catch((error: unknown) => failed.push(error));
      if (failed.length > 0) throw failed[0];
      if (due.length < BATCH) return;
    }
  };

  /** @returns milliseconds until the next look */
  const lookOnce = async (): Promise<number> => {
    const next = await models.Member.findOne(
      { kind: kind.name, snoozed_until: { $gt: new Date(0) } },
      { snoozed_until: 1 },
    )
      .sort({ snoozed_until: 1 })
      .lean();
    // Several times in the place of one cannot be read, and hide what comes after them.
    const until = next === null ? Number.POSITIVE_INFINITY : (next.snoozed_until?.getTime() ?? 0);
    const leftMs = until - clock.now();
    if (leftMs > 0) return Math.min(leftMs, LOOK_MS);
    await wakeDue();
    return BUSY_MS;
  };

  const lookAfter = (delayMs: number): void => {
    if (isStopped) return;
    cancelNext();
    nextAt = clock.now() + delayMs;
    cancelNext = clock.after(delayMs, look);
  };

  const look = (): void => {
    if (isStopped) return;
    if (looking !== undefined) {
      isAskedAgain = true;
      return;
    }
    nextAt = Number.POSITIVE_INFINITY;
    looking = lookOnce()
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'conversations: looking for expired snoozes failed; retrying');
        return BUSY_MS;
      })
      .then((delayMs) => {
        looking = undefined;
        if (isAskedAgain) look();
        // A snooze that was stored meanwhile may be over earlier.
        else if (clock.now() + delayMs < nextAt) lookAfter(delayMs);
        isAskedAgain = false;
      });
  };

  return {
    async wake(user) {
      for (const member of await findDue({ user })) await wakeOne(member);
    },
    expect(until) {
      if (until.getTime() < nextAt) lookAfter(Math.max(0, until.getTime() - clock.now()));
    },
    start() {
      lookAfter(BUSY_MS);
      return async () => {
        isStopped = true;
        cancelNext();
        await looking;
      };
    },
  };
}
