import type { Types } from 'mongoose';
import type { Member } from '#shared/models/member.js';
import { chunksOf } from '../../../platform/lists.js';
import { namedIn } from '../access.js';
import type { ConversationDependencies } from '../dependencies.js';
import type { Description, WireMessage } from '../kind.js';
import { keyOf } from './sent-state.js';

/** A read position that others were sent. */
interface SentRead extends Pick<Member, 'conversation' | 'user' | 'last_read'> {
  /** Ids of those who hear of it. */
  readonly others: readonly string[];
  send(users: readonly string[], messageId: string | null): void;
}

/** Read positions that are read together. */
const READ_MAX = 1000;

/** Sends read positions once more when something else is stored than was sent. */
export function createSettleReads<D extends Description, M extends WireMessage>({
  models,
  kind,
  settling,
}: Pick<ConversationDependencies<D, M>, 'models' | 'kind' | 'settling'>): (read: SentRead) => void {
  const readSome = (sent: readonly SentRead[]) =>
    models.Member.find(
      { $or: sent.map(({ conversation, user }) => ({ conversation, user })) },
      { conversation: 1, user: 1, last_read: 1 },
    ).lean<SentRead[]>();

  const sendStored = async (sent: SentRead, last_read: Types.ObjectId | null): Promise<void> => {
    const named = namedIn((await kind.conversations.findById(sent.conversation, { users: 1 }).lean()) ?? { users: [] });
    const others = sent.others.filter((user) => named.has(user));
    sent.send(others, last_read?.toHexString() ?? null);
    settleRead({ ...sent, others, last_read });
  };

  const settleRead = (read: SentRead): void =>
    settling.settleEach<SentRead, (() => Promise<void>)[]>(`reads ${kind.name}`, {
      sent: [[keyOf(read), read]],
      async read(sent) {
        const found = await Promise.all(Array.from(chunksOf([...sent.values()], READ_MAX), readSome));
        return found.flat().flatMap((stored) => {
          const one = sent.get(keyOf(stored));
          const isAsSent = one === undefined || String(stored.last_read) === String(one.last_read);
          return isAsSent ? [] : [() => sendStored(one, stored.last_read)];
        });
      },
      send: (corrections) => Promise.all(corrections.map((correct) => correct())),
    });
  return settleRead;
}
