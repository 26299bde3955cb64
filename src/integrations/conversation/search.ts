import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import type { User } from '#shared/models/user.js';
import { foldText } from '#shared/utilities/fold-text.js';
import { readDocument, readId, readStored } from '../../models/index.js';
import type { Bounds } from '../../platform/mongo/keyset.js';
import type { Work } from '../../realtime/work.js';
import type { ConversationKind, Described } from './kind.js';
import { nameOf } from './people.js';
import type { Viewer } from './viewer.js';

/** A list of a viewer's conversations: a range of one index, in index order. */
export interface MemberRange {
  /** Conditions, combined with AND. */
  readonly filters: readonly object[];
  readonly hint: string;
}

/** The search in a list. */
export interface SearchQuery {
  /** Substring of the title or of a participant's name. */
  readonly search?: string | undefined;
  /** Other participants; all must match. */
  readonly users?: readonly string[] | undefined;
}

/** The sort order of every list. */
export const SORT = { show_on_top: -1, last_activity_at: -1, _id: -1 } as const;

/**
 * Bounds the cost of a search: so many conversations are examined, from the start of the page, however many there are.
 */
const SEARCHED_MAX = 5000;
/** Conversations, and users, examined in one step. */
const STEP = 1000;

/** The fields that a user can be found by. */
const NAMES = { name: 1, firstName: 1, lastName: 1 } as const;

/** The fields that a conversation can be found by. */
const SHOWN = { title: 1, image: 1, contact_id: 1 } as const;

/** Many ids grouped in one document, which is read much faster. */
interface Ids {
  readonly ids: unknown[];
}

type Named = Pick<User, keyof typeof NAMES> & { readonly _id: Types.ObjectId };

/** An examined conversation of a list. */
interface Examined {
  readonly id: Types.ObjectId;
  /** Its search key contains the text. */
  readonly hasText: boolean;
  /** It has no search key, and must be read itself. */
  readonly isUnkeyed: boolean;
}

/** A search in a list. */
export interface Search {
  /** What the members of the conversations that were found fulfil. */
  readonly condition: object;
  /** The conversations that were found among the newest, in the order of the list. */
  readonly found: readonly Types.ObjectId[];
}

/** Searches lists for text that no index can find. */
export function createSearch(models: Pick<Models, 'Member' | 'User'>, kind: ConversationKind, work: Work) {
  const readNewest = async ({ filters, hint }: MemberRange, text: string): Promise<Examined[]> => {
    const isKeyed = { $eq: [{ $type: '$search_key' }, 'string'] };
    const hasText = { $cond: [isKeyed, { $gte: [{ $indexOfCP: ['$search_key', { $literal: text }] }, 0] }, null] };
    const [newest] = await models.Member.aggregate<Ids & { haveText: unknown[] }>([
      ...[{ $match: { $and: [...filters] } }, { $sort: SORT }, { $limit: SEARCHED_MAX }],
      { $group: { _id: null, ids: { $push: '$conversation' }, haveText: { $push: hasText } } },
    ]).hint(hint);
    return (newest?.ids ?? []).flatMap((stored, index) => {
      const id = readId(stored);
      const hasText = newest?.haveText[index];
      return id === undefined ? [] : { id, hasText: hasText === true, isUnkeyed: hasText === null };
    });
  };

  /** Conversations whose displayed title contains the text. */
  const withTitle = async (ids: readonly Types.ObjectId[], text: string): Promise<Types.ObjectId[]> => {
    const found: Types.ObjectId[] = [];
    for (const step of toSteps(ids)) {
      const conversations = await kind.conversations.find({ _id: { $in: step } }, SHOWN).lean<Described[]>();
      const describe = await kind.describe(conversations);
      const matching = conversations.filter((conversation) => foldText(describe(conversation).title).includes(text));
      found.push(...matching.map(({ _id }) => _id));
    }
    return found;
  };

  /** All participants of these conversations. */
  const readParticipants = async (ids: readonly Types.ObjectId[]): Promise<Types.ObjectId[]> => {
    const found = await kind.conversations.aggregate<{ _id: unknown }>([
      ...[{ $match: { _id: { $in: ids } } }, { $project: { users: 1 } }, { $unwind: '$users' }],
      ...[{ $group: { _id: '$users' } }, { $limit: SEARCHED_MAX }],
    ]);
    return toIds(found.map(({ _id }) => _id));
  };

  /** Users whose names contain the text. Names are read each time, because other services change them without notice. */
  const named = async (ids: readonly Types.ObjectId[], text: string): Promise<Types.ObjectId[]> => {
    const found: Types.ObjectId[] = [];
    for (const step of toSteps(ids)) {
      const options = { projection: NAMES, batchSize: step.length + 1 };
      const people = await models.User.collection.find({ _id: { $in: step } }, options).toArray();
      for (const person of people) {
        const read = readStored<Named>(models.User as never, person, NAMES);
        if (foldText(nameOf(read)).includes(text)) found.push(read._id);
      }
    }
    return found;
  };

  /** Conversations with matching participants. @param users a condition on the participants */
  const withUsers = async (ids: readonly Types.ObjectId[], users: object): Promise<Types.ObjectId[]> => {
    const [found] = await kind.conversations.aggregate<Ids>([
      { $match: { $and: [{ _id: { $in: ids } }, users] } },
      { $group: { _id: null, ids: { $push: '$_id' } } },
    ]);
    return toIds(found?.ids);
  };

  const withPeopleNamed = async (
    viewer: Viewer,
    ids: readonly Types.ObjectId[],
    text: string,
  ): Promise<Types.ObjectId[]> => {
    const seen = new Set([viewer.id]);
    const matching: Types.ObjectId[] = [];
    const found: Types.ObjectId[] = [];
    for (const step of toSteps(ids)) {
      const strangers = (await readParticipants(step)).filter((id) => !seen.has(id.toHexString()));
      for (const id of strangers) seen.add(id.toHexString());
      await work.pay(viewer.principal, { rows: strangers.length });
      matching.push(...(await named(strangers, text)));
      if (matching.length > 0) found.push(...(await withUsers(step, takesPart(matching))));
    }
    return found;
  };

  return {
    /** Looks among the newest conversations of a list. @returns `undefined` when nothing is searched for */
    async find(viewer: Viewer, range: MemberRange, { search, users = [] }: SearchQuery): Promise<Search | undefined> {
      const text = foldText(search ?? '');
      if (text === '' && users.length === 0) return undefined;
      const conditions: object[] = [];
      const newest = await readNewest(range, text);
      const ids = newest.map(({ id }) => id);
      await work.pay(viewer.principal, { rows: ids.length });
      let found = newest;
      if (text !== '') {
        const unkeyed = newest.flatMap(({ id, isUnkeyed }) => (isUnkeyed ? id : []));
        const [byTitle, byPeople] = await Promise.all([withTitle(unkeyed, text), withPeopleNamed(viewer, ids, text)]);
        const named = toSet([...byTitle, ...byPeople]);
        found = found.filter(({ id, hasText }) => hasText || named.has(id.toHexString()));
        conditions.push({
          $or: [{ search_key: { $regex: escapePattern(text) } }, { conversation: { $in: [...byTitle, ...byPeople] } }],
        });
      }
      if (users.length > 0) {
        const all = { $and: users.map((user) => takesPart([new Types.ObjectId(user)])) };
        const matching = await withUsers(ids, all);
        const together = toSet(matching);
        found = found.filter(({ id }) => together.has(id.toHexString()));
        conditions.push({ conversation: { $in: matching } });
      }
      return { condition: { $and: conditions }, found: found.map(({ id }) => id) };
    },

    /** Reads some of the conversations that were found, in their order. */
    async readFound(
      { user, filters }: { user: Types.ObjectId; filters: readonly object[] },
      { found }: Search,
      { limit, skip }: Bounds,
    ): Promise<Member[]> {
      const wanted = found.slice(skip, skip + limit);
      if (wanted.length === 0) return [];
      const own = { $and: [{ user, conversation: { $in: wanted } }, ...filters] };
      const members = await models.Member.collection.find(own, { hint: { user: 1, conversation: 1 } }).toArray();
      const byId = new Map(members.map((member) => [String(member['conversation']), readDocument('Member', member)]));
      return wanted.flatMap((id) => byId.get(id.toHexString()) ?? []) as unknown as Member[];
    },

    /** Reads members after a place in the list. */
    async read({ filters, hint }: MemberRange, { condition }: Search, { limit, skip }: Bounds): Promise<Member[]> {
      const members: Member[] = await models.Member.aggregate([
        { $match: { $and: [...filters] } },
        ...[{ $sort: SORT }, { $limit: SEARCHED_MAX }, { $match: condition }, { $skip: skip }, { $limit: limit }],
      ]).hint(hint);
      return members.map((member) => readDocument('Member', member));
    },
  };
}

const toSet = (ids: readonly Types.ObjectId[]): Set<string> => new Set(ids.map((id) => id.toHexString()));

/** Some services store ids as text. Aggregations are not cast, so both forms are listed. */
const takesPart = (ids: readonly Types.ObjectId[]): object => ({
  users: { $in: ids.flatMap((id) => [id, id.toHexString()]) },
});

const toIds = (stored: readonly unknown[] = []): Types.ObjectId[] => stored.flatMap((id) => readId(id) ?? []);

function* toSteps<T>(all: readonly T[]): Generator<T[]> {
  for (let start = 0; start < all.length; start += STEP) yield all.slice(start, start + STEP);
}

/** Escapes text for use in a regular expression. */
const escapePattern = (text: string): string =>
  text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\0', '\\x00');
