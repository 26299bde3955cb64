import { isObjectIdOrHexString } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Acquaintances } from '../../../framework/integration.js';

/** Conversations that are looked at, last changed first. */
const CONVERSATIONS_MAX = 500;
const PEOPLE_MAX = 5000;

type Shown = Pick<SupportConversation, '_id' | 'participants' | 'assignedTo' | 'status'>;

/** Who shares an open conversation or a department with a user. */
export const createAcquaintances =
  ({ SupportConversation: Conversation, Department }: Models) =>
  async (userId: string): Promise<Acquaintances> => {
    // Users of other namespaces may have ids of another kind.
    if (!isObjectIdOrHexString(userId)) return { userIds: [], rooms: [] };
    const newest = (own: object): Promise<Shown[]> =>
      Conversation.find(own, { participants: 1, assignedTo: 1, status: 1 })
        .sort({ updatedAt: -1, _id: -1 })
        .limit(CONVERSATIONS_MAX)
        .lean<Shown[]>();
    const [participating, assigned, departments] = await Promise.all([
      newest({ participants: userId }),
      newest({ assignedTo: userId }),
      Department.find({ members: userId }, { members: 1 }).lean(),
    ]);
    const people = new Set<string>();
    for (const { participants = [], assignedTo, status } of [...participating, ...assigned]) {
      if (status === 'closed') continue;
      for (const id of assignedTo == null ? participants : [...participants, assignedTo]) people.add(id.toHexString());
      if (people.size >= PEOPLE_MAX) break;
    }
    for (const id of departments.flatMap(({ members }) => members)) people.add(id.toHexString());
    people.delete(userId.toLowerCase());
    return { userIds: [...people].slice(0, PEOPLE_MAX), rooms: [] };
  };
