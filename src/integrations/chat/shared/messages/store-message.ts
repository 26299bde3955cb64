import { Types } from 'mongoose';
import type { Principal } from '../../../../auth/principal.js';
import { createKeyedMutex } from '../../../../platform/concurrency/keyed-mutex.js';
import type { Settling } from '../../../../platform/concurrency/settling.js';
import type { Write } from '../../../../platform/mongo/write-together.js';
import type { Clock } from '../../../../platform/time/clock.js';
import type { Stored, Unchecked } from './draft.js';
import type { OrderedMessage } from './kind.js';
import type { OrderedSender } from './ordered-sender.js';
import type { StoredBefore } from './stored-before.js';
import type { WriteQueue } from './write-queue.js';

/** The fields of a conversation that describe its last message. */
interface LastMessageFields {
  readonly _id: Types.ObjectId;
  /** Every message up to this position has been sent. */
  readonly lastPosition?: number | null;
  readonly storedPosition?: number | null;
  readonly lastMessageAt?: Date | null;
}

/** The id and the time of a new message. */
interface Stamp {
  readonly _id: Types.ObjectId;
  readonly at: Date;
}

/**
 * The rules of one chat for new messages.
 * @typeParam D what a client sends
 * @typeParam A the access of the sender to the conversation
 */
export interface SendingRules<M, D, A> {
  /** The id of the conversation, in the spelling of the database. */
  parentOf(draft: D): string;
  /** The sender, whose messages in a conversation keep their order. */
  senderOf(principal: Principal): string;
  /** Counts a message. @throws the refusal of a sender who has sent too many */
  count(principal: Principal): Promise<void>;
  /** Takes back what was counted. */
  uncount(principal: Principal): Promise<void>;
  /** @throws the refusal of a caller without access */
  open(principal: Principal, draft: D): Promise<A>;
  /** The access as remembered, if that is enough to store the draft under conditions. */
  remembered(principal: Principal, draft: D): (A & { readonly conditions: readonly Write[] }) | undefined;
  /** To be called when a condition did not hold. */
  noteChange(principal: Principal, draft: D): void;
  /** Pays for a message. @returns the access, with what was read. @throws the refusal of the message */
  ensureAllowed(principal: Principal, { draft, opened }: { draft: D; opened: A }): Promise<A>;
  /** Takes back what `ensureAllowed` has paid. */
  payBack(principal: Principal, opened: A): Promise<void>;
  /** The message of an earlier call with the same `clientMessageId`. */
  findStored(opened: A, draft: D): Promise<M | null>;
  conversationOf(opened: A): LastMessageFields;
  toMessage(opened: A, { draft, stamp }: { draft: D; stamp: Stamp }): M;
  /** The write that makes a message the last one. @param sentUpTo every message up to this position has been sent */
  toLast(message: M & { readonly position: number }, sentUpTo: number): Write;
}

/** A stored message and the access of its sender. */
export interface StoredMessage<M, A> extends Stored<M> {
  readonly opened: A;
  /** It is new, or the call that stored it failed before it was sent. */
  readonly isToSend: boolean;
  /** Every message up to this position was sent before. */
  readonly announced: number;
}

/** A draft that passed the checks, one that is checked when it is stored, or the message that an earlier call stored. */
interface Checked<M, A> {
  readonly opened: A;
  /** Absent: it was checked by reading. */
  readonly conditions?: readonly Write[];
  readonly stored?: M;
}

/** Sends a message that turns out to be stored after its sender got an error. */
type OnLate<M, A> = (stored: StoredMessage<M, A>) => unknown;

type StoreMessage<M, D, A> = (principal: Principal, draft: D, onLate: OnLate<M, A>) => Promise<StoredMessage<M, A>>;

interface Dependencies<M extends OrderedMessage> {
  log: Pick<WriteQueue<M>, 'add'> & Pick<OrderedSender, 'sentUpTo'> & Pick<StoredBefore<M>, 'findOwn'>;
  settling: Pick<Settling, 'settle' | 'change'>;
  clock: Clock;
  /** How long a message may wait for its sender's earlier messages. */
  turnWaitMs: number;
}

/**
 * Checks messages of clients and stores them. One sender's messages in a conversation are stored in the order of their
 * arrival, though several are checked concurrently. A message in a conversation that is remembered is checked, stored and made
 * the last message by one command.
 *
 * A retry is answered with the stored message; limits, blocks and checks apply to new messages. The stored message is looked
 * for only after a check failed or the unique index refused the new one, so it costs new messages nothing.
 */
export function createStoreMessage<
  M extends OrderedMessage,
  D extends { clientMessageId?: string | null | undefined },
  A,
>(rules: SendingRules<M, D, A>, { log, settling, clock, turnWaitMs }: Dependencies<M>): StoreMessage<M, D, A> {
  const mutex = createKeyedMutex({ clock, waitMs: turnWaitMs });

  /** What this node has sent tells whether a message is on its way. Each node sends it once, however often it is announced. */
  const toRetried = (message: M, opened: A): StoredMessage<M, A> => {
    const announced = log.sentUpTo(rules.conversationOf(opened)._id.toHexString());
    const isToSend = announced !== undefined && (message.position ?? 0) > announced;
    return { message, isNew: false, opened, isToSend, announced: announced ?? 0 };
  };

  /** @throws the refusal, if no earlier call has stored the message */
  const findRetried = async (opened: A, draft: D, refusal: unknown): Promise<Checked<M, A>> => {
    const stored = await rules.findStored(opened, draft);
    if (stored === null) throw refusal;
    return { opened, stored };
  };

  const checkByReading = async (principal: Principal, draft: D): Promise<Checked<M, A>> => {
    const opened = await rules.open(principal, draft);
    try {
      return { opened: await rules.ensureAllowed(principal, { draft, opened }) };
    } catch (refusal) {
      return findRetried(opened, draft, refusal);
    }
  };

  const findRemembered = (principal: Principal, draft: D): Checked<M, A> | undefined => {
    if (log.sentUpTo(rules.parentOf(draft)) === undefined) return undefined;
    const opened = rules.remembered(principal, draft);
    return opened && { opened, conditions: opened.conditions };
  };

  /** @throws the refusal of the message */
  const check = async (principal: Principal, draft: D): Promise<Checked<M, A>> => {
    try {
      await rules.count(principal);
    } catch (limited) {
      if (draft.clientMessageId == null) throw limited;
      return findRetried(await rules.open(principal, draft), draft, limited);
    }
    const checked = findRemembered(principal, draft) ?? (await checkByReading(principal, draft));
    if (checked.stored !== undefined) await rules.uncount(principal);
    return checked;
  };

  /** A message whose outcome is unknown is looked for later. */
  const lookLater = (message: M, onStored: (stored: M) => unknown): void => {
    let own: M | undefined;
    settling.settle(`message ${message._id.toHexString()}`, {
      sent: undefined,
      async read() {
        own = await log.findOwn(message);
        return own === undefined ? undefined : 'stored';
      },
      send: () => own && onStored(own),
    });
  };

  const store = async (
    principal: Principal,
    { draft, checked, onLate }: { draft: D; checked: Checked<M, A>; onLate: OnLate<M, A> },
  ): Promise<StoredMessage<M, A>> => {
    let { opened } = checked;
    const { _id, lastPosition, storedPosition, lastMessageAt } = rules.conversationOf(opened);
    const parent = _id.toHexString();
    const newest = { position: Math.max(lastPosition ?? 0, storedPosition ?? 0), at: lastMessageAt };
    const announced = Math.max(lastPosition ?? 0, log.sentUpTo(parent) ?? 0);
    const stamp = { _id: new Types.ObjectId(), at: new Date(clock.now()) };
    const unchecked: Unchecked<M> | undefined = checked.conditions && {
      conditions: checked.conditions,
      async check() {
        rules.noteChange(principal, draft);
        const again = await checkByReading(principal, draft);
        opened = again.opened;
        if (again.stored !== undefined) return { message: again.stored, isNew: false };
        return { message: rules.toMessage(opened, { draft, stamp }) };
      },
      toLast: (message) => rules.toLast(message as M & { readonly position: number }, announced),
    };
    const message = rules.toMessage(opened, { draft, stamp });
    const stored = await settling.change(
      () => log.add({ message, parent, newest, sender: rules.senderOf(principal), unchecked }),
      () => lookLater(message, (own) => onLate({ message: own, isNew: true, opened, isToSend: true, announced })),
    );
    if (stored.isNew) return { ...stored, opened, isToSend: true, announced };
    await rules.uncount(principal);
    await rules.payBack(principal, opened);
    return toRetried(stored.message, opened);
  };

  return async function storeMessage(principal, draft, onLate) {
    const line = `${rules.senderOf(principal)} ${rules.parentOf(draft)}`;
    // In an object, so that the mutex covers only the checks; the log orders the writes.
    const { storing } = await mutex.join([line], async (turn) => {
      const checked = await check(principal, draft);
      const { opened, stored } = checked;
      if (stored !== undefined) return { storing: Promise.resolve(toRetried(stored, opened)) };
      await turn;
      return { storing: store(principal, { draft, checked, onLate }) };
    });
    return storing;
  };
}
