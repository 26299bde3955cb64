import { createBoundedMap } from '../../../../platform/bounded-map.js';
import type { Clock } from '../../../../platform/time/clock.js';
import type { Draft } from './draft.js';
import type { MessageKind, Newest, OrderedMessage } from './kind.js';
import { lastPositionIn } from './reader.js';
import { toTime } from './time.js';

/** Conversations whose last message a node remembers. */
const REMEMBERED_MAX = 20_000;

/** The last positions of conversations, as far as this node knows. */
export interface Positions<M> {
  /** Assigns the next positions, in the given order. Another node may have taken them already. */
  assign(drafts: readonly Draft<M>[]): M[];
  /** Whether a message at a position, or at a later one, is known to be stored. */
  isKnown(parent: string, position: number): boolean;
  /** To be called when a message was stored. */
  note(parent: string, message: M): void;
  /** To be called when another node has stored a message. */
  noteNewest(parent: string, newest: Newest): void;
}

/** Knows of a conversation what was noted last; one that it has forgotten begins with `newest` of the draft. */
export function createPositions<M extends OrderedMessage>(
  { time }: Pick<MessageKind<M>, 'time'>,
  clock: Clock,
): Positions<M> {
  const remembered = createBoundedMap<Newest>(REMEMBERED_MAX);
  const newestOf = (message: M): Newest => ({ position: lastPositionIn(message.position), at: message[time] });

  const lastOf = ({ parent, newest }: Draft<M>): Newest => {
    const known = remembered.get(parent);
    return known !== undefined && known.position >= newest.position ? known : newest;
  };

  const noteNewest = (parent: string, newest: Newest): void => {
    if (newest.position > (remembered.get(parent)?.position ?? 0)) remembered.set(parent, newest);
  };

  return {
    assign(drafts) {
      const assigned = new Map<string, Newest>();
      return drafts.map((draft) => {
        const before = assigned.get(draft.parent) ?? lastOf(draft);
        const message = { ...draft.message, position: before.position + 1, [time]: toTime(clock.now(), before.at) };
        assigned.set(draft.parent, newestOf(message));
        return message;
      });
    },
    isKnown: (parent, position) => (remembered.get(parent)?.position ?? 0) >= position,
    note: (parent, message) => noteNewest(parent, newestOf(message)),
    noteNewest,
  };
}
