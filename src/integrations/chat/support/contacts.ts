import { isObjectIdOrHexString } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Contacts } from '../../../framework/integration.js';
import { accountOf } from '../shared/index.js';
import { type ConversationAccess, completeShared } from './access.js';
import { namedIn } from './accounts.js';

/** Maximum number of conversations examined, last changed first. */
const CONVERSATIONS_MAX = 500;
const PEOPLE_MAX = 5000;

/** The fields that determine access. */
const shownFields = { participants: 1, assignedTo: 1, departmentId: 1, createdBy: 1, visitorId: 1, status: 1 } as const;

type Shown = Pick<SupportConversation, keyof typeof shownFields>;

/** The users who share an open conversation or a department with a user. */
export const createContacts =
  (
    {
      SupportConversation: Conversation,
      Department,
      User,
    }: Pick<Models, 'SupportConversation' | 'Department' | 'User'>,
    { openTo }: Pick<ConversationAccess, 'openTo'>,
  ) =>
  async (userId: string): Promise<Contacts> => {
    // Users of other namespaces can have ids of another format.
    if (!isObjectIdOrHexString(userId)) return { userIds: [], rooms: [] };
    const newest = (own: object): Promise<Shown[]> =>
      Conversation.find(own, shownFields).sort({ updatedAt: -1, _id: -1 }).limit(CONVERSATIONS_MAX).lean<Shown[]>();
    const [user, participating, assigned, departments] = await Promise.all([
      User.findById(userId, { account: 1 }).lean(),
      newest({ participants: userId }),
      newest({ assignedTo: userId }),
      Department.find({ members: userId }, { members: 1 }).lean(),
    ]);
    if (user === null) return { userIds: [], rooms: [] };
    const candidates = boundPeople([...participating, ...assigned].filter(({ status }) => status !== 'closed'));
    const people = new Set<string>();
    const self = { id: user._id.toHexString(), account: accountOf(user) };
    for (const { conversation, outsiders } of await openTo(self, candidates)) {
      const named = namedIn(conversation).map((id) => id.toHexString());
      for (const id of named.filter((one) => !outsiders.has(one))) people.add(id);
    }
    for (const id of departments.flatMap(({ members }) => members)) people.add(id.toHexString());
    people.delete(userId.toLowerCase());
    return { userIds: [...people].slice(0, PEOPLE_MAX), rooms: [] };
  };

/** The first conversations, up to a total number of participants. */
function boundPeople(conversations: readonly Shown[]): ReturnType<typeof completeShared>[] {
  const found: ReturnType<typeof completeShared>[] = [];
  const people = new Set<string>();
  for (const conversation of conversations.map(completeShared)) {
    for (const id of namedIn(conversation)) people.add(id.toHexString());
    if (people.size > PEOPLE_MAX && found.length > 0) break;
    found.push(conversation);
  }
  return found;
}
