import { type PipelineStage, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import type { ConversationKind } from './kind.js';
import type { Viewer } from './viewer.js';

/** A list of a viewer's conversations as a range of one index, in its order. */
export interface MemberRange {
  /** All of these hold. */
  readonly filters: readonly object[];
  readonly hint: string;
}

/** What is looked for in a list. */
export interface SearchQuery {
  /** Part of the title, or of the name of somebody who takes part. */
  readonly search?: string | undefined;
  /** Who takes part too, all of them. */
  readonly users?: readonly string[] | undefined;
}

/** The order of every list. */
export const SORT = { show_on_top: -1, last_activity_at: -1, _id: -1 } as const;

/**
 * Looking for something costs the same however many conversations a user has: so many of the list are looked at, from where
 * the page begins.
 */
const SEARCHED_MAX = 5000;
/** The same for who takes part, which is kept with the conversations. */
const SEARCHED_FOR_PEOPLE_MAX = 1000;
/** People whose name matches and whose conversations are found by that. */
const PEOPLE_MAX = 100;

/** Many ids in one document: they are read much faster so. */
interface Ids {
  readonly ids: Types.ObjectId[];
}

/** Looks through lists for what no index knows. */
export function createSearch(models: Pick<Models, 'Member' | 'User'>, kind: ConversationKind) {
  const toStages = ({ filters, hint }: MemberRange, condition: object, last: PipelineStage[]) =>
    models.Member.aggregate([
      { $match: { $and: [...filters] } },
      { $sort: SORT },
      { $limit: SEARCHED_MAX },
      { $match: condition },
      ...last,
    ]).hint(hint);

  /** Those conversations of the newest in a list in which these people take part. */
  const withPeople = async ({ filters, hint }: MemberRange, users: object): Promise<Types.ObjectId[]> => {
    const [newest] = await models.Member.aggregate<Ids>([
      ...[{ $match: { $and: [...filters] } }, { $sort: SORT }, { $limit: SEARCHED_FOR_PEOPLE_MAX }],
      { $group: { _id: null, ids: { $push: '$conversation' } } },
    ]).hint(hint);
    const [found] = await kind.conversations.aggregate<Ids>([
      { $match: { _id: { $in: newest?.ids ?? [] }, users } },
      { $group: { _id: null, ids: { $push: '$_id' } } },
    ]);
    return found?.ids ?? [];
  };

  const findPeople = async (viewer: Viewer, name: object): Promise<Types.ObjectId[]> => {
    const found = await models.User.find({ account: viewer.accountId, name }, { _id: 1 }).limit(PEOPLE_MAX).lean();
    return found.map(({ _id }) => _id).filter((id) => !viewer.userId.equals(id));
  };

  return {
    /** What entries of a list have to satisfy; `undefined` when nothing is looked for. */
    async toCondition(viewer: Viewer, range: MemberRange, { search, users }: SearchQuery): Promise<object | undefined> {
      const conditions: object[] = [];
      if (search !== undefined && search !== '') {
        const pattern = { $regex: escapePattern(search), $options: 'i' };
        const people = await findPeople(viewer, pattern);
        const ids = people.length === 0 ? [] : await withPeople(range, { $in: people });
        conditions.push({ $or: [{ title: pattern }, { conversation: { $in: ids } }] });
      }
      if (users !== undefined && users.length > 0) {
        conditions.push({
          conversation: { $in: await withPeople(range, { $all: users.map((user) => new Types.ObjectId(user)) }) },
        });
      }
      return conditions.length === 0 ? undefined : { $and: conditions };
    },

    read: (
      range: MemberRange,
      condition: object,
      { limit, skip }: { limit: number; skip: number },
    ): Promise<Member[]> => toStages(range, condition, [{ $skip: skip }, { $limit: limit }]).exec(),

    async count(range: MemberRange, condition: object): Promise<number> {
      const [found] = await toStages(range, condition, [{ $count: 'total' }]).exec();
      return found?.total ?? 0;
    },
  };
}

/** Text as a pattern that matches just this text. */
const escapePattern = (text: string): string =>
  text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\0', '\\x00');
