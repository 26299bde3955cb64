import { hash } from 'node:crypto';
import type { Conversation } from '#shared/models/conversation.js';
import type { Member } from '#shared/models/member.js';

/** Names a participant of a conversation. */
export const keyOf = ({ conversation, user }: Pick<Member, 'conversation' | 'user'>): string =>
  `${conversation.toHexString()} ${user.toHexString()}`;

/** What of a conversation a participant can come to know by events of several nodes. */
interface MemberState {
  /** What messages do not change. */
  readonly lasting: string;
  /** What each message changes. */
  readonly passing: string;
}

/** A participant of a conversation, and what they were sent. */
export interface SentState extends Pick<Member, 'conversation' | 'user'> {
  /** Begins a comparison. The participant may have been removed, so nothing is known yet. */
  look(): void;
  /** Whether something else is stored, and must be sent now. */
  isOutdated(stored: MemberState): boolean;
  /** Whether more messages are awaited before that is decided. */
  isOpen(): boolean;
}

/** While messages keep coming, what is stored is sent after so many looks. */
const LOOKS_MAX = 20;

/**
 * What is stored mostly differs by later messages, which the client gets as events of their own. It is wrong only if one of them
 * overtook what was sent. So what messages change is sent again when they pause, not after each of them.
 */
export function createSentState({ conversation, user }: Member, sent: MemberState): SentState {
  let seen: string | undefined;
  let looks = 0;
  let isOpen = false;
  return {
    conversation,
    user,
    look() {
      looks += 1;
      isOpen = false;
    },
    isOutdated({ lasting, passing }) {
      const isSame = lasting === sent.lasting && passing === sent.passing;
      isOpen = !isSame && lasting === sent.lasting && passing !== seen && looks < LOOKS_MAX;
      seen = passing;
      return !isSame && !isOpen;
    },
    isOpen: () => isOpen,
  };
}

/** What participants of a conversation see of it, by member. */
export function createStateOf({ users, title, image, channel_id, is_open, last_activity }: Conversation) {
  const shared = hash('sha1', JSON.stringify({ users, title, image, channel_id, is_open }));
  return function stateOf({ show_on_top, snoozed_until, archived, mentioned, unread_count }: Member): MemberState {
    return {
      lasting: JSON.stringify([shared, show_on_top, snoozed_until, archived]),
      passing: JSON.stringify([last_activity, mentioned, unread_count]),
    };
  };
}
