import { type PipelineStage, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { foldText } from '#shared/utilities/fold-text.js';
import { readDocument, readId } from '../../models/index.js';
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

/** The fields that a conversation can be found by. */
const SHOWN = { title: 1, image: 1, contact_id: 1 } as const;

/** Many ids grouped in one document, which is read much faster. */
interface Ids {
  readonly ids: unknown[];
}

/** The examined conversations of a list. */
interface Newest {
  readonly ids: readonly Types.ObjectId[];
  /** Those without a search key, which must be read themselves. */
  readonly unkeyed: readonly Types.ObjectId[];
}

/** Searches lists for text that no index can find. */
export function createSearch(models: Pick<Models, 'Member' | 'User'>, kind: ConversationKind, work: Work) {
  const toStages = ({ filters, hint }: MemberRange, condition: object, last: PipelineStage[]) =>
    models.Member.aggregate([
      { $match: { $and: [...filters] } },
      { $sort: SORT },
      { $limit: SEARCHED_MAX },
      { $match: condition },
      ...last,
    ]).hint(hint);

  const readNewest = async ({ filters, hint }: MemberRange): Promise<Newest> => {
    const isKeyed = { $eq: [{ $type: '$search_key' }, 'string'] };
    const [newest] = await models.Member.aggregate<Ids & { unkeyed: unknown[] }>([
      ...[{ $match: { $and: [...filters] } }, { $sort: SORT }, { $limit: SEARCHED_MAX }],
      {
        $group: {
          _id: null,
          ids: { $push: '$conversation' },
          unkeyed: { $push: { $cond: [isKeyed, null, '$conversation'] } },
        },
      },
    ]).hint(hint);
    return { ids: toIds(newest?.ids), unkeyed: toIds(newest?.unkeyed) };
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
      const people = await models.User.find({ _id: { $in: step } }, { name: 1, firstName: 1, lastName: 1 }).lean();
      found.push(...people.filter((person) => foldText(nameOf(person)).includes(text)).map(({ _id }) => _id));
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
    /** The filter for entries of a list; `undefined` without a search. */
    async toCondition(
      viewer: Viewer,
      range: MemberRange,
      { search, users = [] }: SearchQuery,
    ): Promise<object | undefined> {
      const text = foldText(search ?? '');
      if (text === '' && users.length === 0) return undefined;
      const conditions: object[] = [];
      const { ids, unkeyed } = await readNewest(range);
      await work.pay(viewer.principal, { rows: ids.length });
      if (text !== '') {
        const [byTitle, byPeople] = await Promise.all([withTitle(unkeyed, text), withPeopleNamed(viewer, ids, text)]);
        conditions.push({
          $or: [{ search_key: { $regex: escapePattern(text) } }, { conversation: { $in: [...byTitle, ...byPeople] } }],
        });
      }
      if (users.length > 0) {
        const all = { $and: users.map((user) => takesPart([new Types.ObjectId(user)])) };
        conditions.push({ conversation: { $in: await withUsers(ids, all) } });
      }
      return { $and: conditions };
    },

    read: async (
      range: MemberRange,
      condition: object,
      { limit, skip }: { limit: number; skip: number },
    ): Promise<Member[]> => {
      const found: Member[] = await toStages(range, condition, [{ $skip: skip }, { $limit: limit }]);
      return found.map((member) => readDocument('Member', member));
    },

    async count(range: MemberRange, condition: object): Promise<number> {
      const [found] = await toStages(range, condition, [{ $count: 'total' }]).exec();
      return found?.total ?? 0;
    },
  };
}

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
