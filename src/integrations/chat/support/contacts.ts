import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Contacts } from '../../../framework/integration.js';
import { readStored } from '../../../models/index.js';
import { type BlockedUser, type Blocks, createNewestByUser } from '../shared/index.js';
import type { Candidate, ConversationAccess } from './access.js';
import { namesIn } from './accounts.js';
import type { Memberships } from './memberships.js';
import { completeAccessFields } from './stored-conversations.js';

/** Maximum number of conversations of one user that are examined, last changed first. */
const CONVERSATIONS_MAX = 500;
/**
 * Users in one query, and the conversations that it reads. Beyond them each user is read alone. MongoDB merges 200 ordered reads of
 * indexes: of each user by two fields, in two forms of the id.
 */
const GROUP_MAX = 50;
const GROUP_CONVERSATIONS_MAX = 2000;
const PEOPLE_MAX = 5000;

/** The fields that determine access. */
const shownFields = { participants: 1, assignedTo: 1, departmentId: 1, createdBy: 1, visitorId: 1, status: 1 } as const;

type StoredConversation = Pick<SupportConversation, keyof typeof shownFields>;

/** A conversation of which users ask who is in it. */
type Shown = Candidate & Pick<SupportConversation, 'status'>;

interface Dependencies {
  readonly models: Pick<Models, 'SupportConversation'>;
  readonly blocks: Pick<Blocks, 'withUsers'>;
  readonly access: Pick<ConversationAccess, 'openTo'>;
  readonly memberships: Memberships;
}

/**
 * The users who share an open conversation or a department with each of some users. Calls in one event loop iteration share their
 * queries.
 */
export const createContacts = ({ models, blocks, access, memberships }: Dependencies) => {
  const conversationsOf = createConversationsOf(models);
  /** Ids of the users in conversations, of those that are open to a user. */
  const readNames = async (self: { id: string; account: string }, among: readonly Shown[]): Promise<Set<string>> => {
    const opened = await access.openTo(self, boundPeople(among.filter(({ status }) => status !== 'closed')));
    return new Set(
      opened.flatMap(({ candidate, outsiders }) => candidate.names.all.filter((id) => !outsiders.has(id))),
    );
  };
  return async function contactsOf(ids: readonly string[]): Promise<ReadonlyMap<string, Contacts>> {
    const [users, conversations, departments] = await Promise.all([
      blocks.withUsers(ids),
      conversationsOf(ids),
      memberships(ids),
    ]);
    const toContacts = async ([id, { relations }]: readonly [string, BlockedUser]): Promise<[string, Contacts]> => {
      const known = await readNames({ id, account: relations.account }, conversations.get(id) ?? []);
      for (const { members } of departments.get(id) ?? []) for (const member of members) known.add(member);
      known.delete(id);
      return [id, { userIds: [...known].slice(0, PEOPLE_MAX), rooms: [] }];
    };
    const asked = ids.flatMap((id) => {
      const user = users.get(id);
      return user === undefined ? [] : [[id, user] as const];
    });
    return new Map(await Promise.all(asked.map(toContacts)));
  };
};

/** The newest conversations of users, who take part in them or are assigned to them. */
function createConversationsOf({ SupportConversation: Conversation }: Pick<Models, 'SupportConversation'>) {
  /** Through the driver: Mongoose takes a tenth to a third longer, because it converts each id. */
  const newest = async (whose: object, limit: number): Promise<Shown[]> => {
    const options = { projection: shownFields, sort: { updatedAt: -1, _id: -1 }, limit } as const;
    const own = { $or: [{ participants: whose }, { assignedTo: whose }] };
    const found = await Conversation.collection.find(own, options).toArray();
    return found.map((one) => toShown(readStored<StoredConversation>(Conversation as never, one, shownFields)));
  };

  return createNewestByUser<Shown>({
    find: newest,
    usersOf: ({ names }) => names.all,
    ownMax: CONVERSATIONS_MAX,
    usersMax: GROUP_MAX,
    documentsMax: GROUP_CONVERSATIONS_MAX,
  });
}

function toShown(stored: StoredConversation): Shown {
  const conversation = completeAccessFields(stored);
  return { departmentId: conversation.departmentId, status: stored.status, names: namesIn(conversation) };
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
