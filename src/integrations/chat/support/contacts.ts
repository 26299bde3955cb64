import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Contacts } from '../../../framework/integration.js';
import { readStored } from '../../../models/index.js';
import { createLoader } from '../../../platform/batcher.js';
import { type Blocks, groupByUser } from '../shared/index.js';
import type { Candidate, ConversationAccess } from './access.js';
import { namesIn } from './accounts.js';
import type { Memberships } from './memberships.js';
import { completeAccessFields } from './stored-conversations.js';

/** Maximum number of conversations of one user that are examined, last changed first. */
const CONVERSATIONS_MAX = 500;
/** Users in one query, and the conversations that it reads. Beyond them each user is read alone. */
const GROUP_MAX = 100;
const GROUP_CONVERSATIONS_MAX = 2000;
const PEOPLE_MAX = 5000;

/** The fields that determine access. */
const shownFields = { participants: 1, assignedTo: 1, departmentId: 1, createdBy: 1, visitorId: 1, status: 1 } as const;

type StoredConversation = Pick<SupportConversation, keyof typeof shownFields>;

/** A conversation of which users ask who is in it. */
type Shown = Candidate & Pick<SupportConversation, 'participants' | 'assignedTo' | 'status'>;

interface Dependencies {
  readonly models: Pick<Models, 'SupportConversation'>;
  readonly blocks: Pick<Blocks, 'relationsOf'>;
  readonly access: Pick<ConversationAccess, 'openTo'>;
  readonly memberships: Memberships;
}

/** The users who share an open conversation or a department with a user. Calls of one turn share their queries. */
export const createContacts = ({ models, blocks, access, memberships }: Dependencies) => {
  const conversationsOf = createConversationsOf(models);
  return async function contactsOf(userId: string): Promise<Contacts> {
    // Users of other namespaces can have ids of another format.
    if (!isObjectIdOrHexString(userId)) return { userIds: [], rooms: [] };
    const [user, conversations, departments] = await Promise.all([
      blocks.relationsOf(userId),
      conversationsOf(userId.toLowerCase()),
      memberships(userId),
    ]);
    if (user === undefined) return { userIds: [], rooms: [] };
    const candidates = boundPeople((conversations ?? []).filter(({ status }) => status !== 'closed'));
    const known = new Set<string>();
    const self = { id: user._id.toHexString(), account: user.account };
    for (const { candidate, outsiders } of await access.openTo(self, candidates)) {
      for (const id of candidate.names.all) if (!outsiders.has(id)) known.add(id);
    }
    for (const id of departments.flatMap(({ members }) => members)) known.add(id.toHexString());
    known.delete(self.id);
    return { userIds: [...known].slice(0, PEOPLE_MAX), rooms: [] };
  };
};

/** The newest conversations of a user: those that they take part in, then those that they are assigned to. */
function createConversationsOf({ SupportConversation: Conversation }: Pick<Models, 'SupportConversation'>) {
  /** Through the driver: Mongoose takes a tenth to a third longer, because it converts each id. */
  const newest = async (own: object, limit = CONVERSATIONS_MAX): Promise<Shown[]> => {
    const options = { projection: shownFields, sort: { updatedAt: -1, _id: -1 }, limit } as const;
    const found = await Conversation.collection.find(own, options).toArray();
    return found.map((one) => toShown(readStored<StoredConversation>(Conversation as never, one, shownFields)));
  };
  const ofOne = async (id: Types.ObjectId): Promise<Shown[]> =>
    (await Promise.all([newest({ participants: id }), newest({ assignedTo: id })])).flat();

  const ofMany = async (ids: readonly string[]): Promise<ReadonlyMap<string, Shown[]> | undefined> => {
    const among = { $in: ids.map((id) => new Types.ObjectId(id)) };
    const [participating, assigned] = await Promise.all([
      newest({ participants: among }, GROUP_CONVERSATIONS_MAX),
      newest({ assignedTo: among }, GROUP_CONVERSATIONS_MAX),
    ]);
    if ([participating, assigned].some(({ length }) => length === GROUP_CONVERSATIONS_MAX)) return undefined;
    const users = new Set(ids);
    const groups = groupByUser(participating, ({ participants }) => participants, users);
    const assignments = groupByUser(assigned, ({ assignedTo }) => (assignedTo == null ? [] : [assignedTo]), users);
    for (const [id, own] of assignments) groups.set(id, [...(groups.get(id) ?? []), ...own]);
    // Otherwise the newest of this user would have to be found.
    return [...groups.values()].some(({ length }) => length > CONVERSATIONS_MAX) ? undefined : groups;
  };

  return createLoader<Shown[]>(async (ids) => {
    const gathered = ids.length > 1 ? await ofMany(ids) : undefined;
    return (
      gathered ?? new Map(await Promise.all(ids.map(async (id) => [id, await ofOne(new Types.ObjectId(id))] as const)))
    );
  }, GROUP_MAX);
}

function toShown(stored: StoredConversation): Shown {
  const conversation = completeAccessFields(stored);
  const { participants, assignedTo, departmentId } = conversation;
  return { participants, assignedTo, departmentId, status: stored.status, names: namesIn(conversation) };
}

/** The first conversations, up to a total number of participants. */
function boundPeople(conversations: readonly Shown[]): readonly Shown[] {
  const people = new Set<string>();
  for (const [index, { names }] of conversations.entries()) {
    for (const id of names.all) people.add(id);
    if (people.size > PEOPLE_MAX && index > 0) return conversations.slice(0, index);
  }
  return conversations;
}
