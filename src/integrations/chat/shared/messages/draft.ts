import type { Write } from '../../../../platform/mongo/write-together.js';
import type { Newest } from './kind.js';

/** A message to store. One sender's messages in a conversation are stored in the order in which they were added. */
export interface Draft<M> {
  /** Without a position; its time can move forward. */
  readonly message: M;
  /** The id of the conversation. */
  readonly parent: string;
  readonly sender: string;
  /** The last message according to the conversation. There may be later ones already. */
  readonly newest: Newest;
  /** Absent: the message was checked by reading, and its caller makes it the last message. */
  readonly unchecked?: Unchecked<M> | undefined;
}

/** How one command checks a message, stores it and makes it the last one of its conversation. */
export interface Unchecked<M> {
  /** That what the checks rely on is as remembered. */
  readonly conditions: readonly Write[];
  /**
   * Checks by reading instead, after a condition did not hold.
   * @returns the message to store, or the one that an earlier call has stored
   * @throws the refusal of the message
   */
  check(): Promise<{ readonly message: M; readonly isNew?: false }>;
  /** The write that makes the message the last one. */
  toLast(message: M): Write;
}

/** A stored message. */
export interface Stored<M> {
  readonly message: M;
  /** `false`: a retry; an earlier call has stored it. */
  readonly isNew: boolean;
  /** It is the last message of its conversation already, or a later one is. */
  readonly isLast?: boolean;
}

/**
 * Stores messages, each with its position. Those of one conversation get positions in the given order.
 * @param takeMore returns further messages, which are stored with them at another attempt
 * @returns a result for each, also for the further ones
 */
export type InsertMessages<M> = (
  drafts: readonly Draft<M>[],
  takeMore?: () => readonly Draft<M>[],
) => Promise<(Stored<M> | Error)[]>;
