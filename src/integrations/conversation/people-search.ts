import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { User } from '#shared/models/user.js';
import { FOLDED_LETTER, foldText } from '#shared/utilities/fold-text.js';
import { readId, readStored } from '../../models/index.js';
import type { Work } from '../../realtime/work.js';
import type { ConversationKind } from './kind.js';
import { nameOf } from './people.js';
import type { Viewer } from './viewer.js';

/** Participants of conversations that are examined together. */
const PARTICIPANTS_MAX = 10_000;

/** The fields that a user can be found by. */
const NAMES = { name: 1, firstName: 1, lastName: 1 } as const;

type Named = Pick<User, keyof typeof NAMES> & { readonly _id: Types.ObjectId };

/** Many ids grouped in one document, which is read much faster. */
interface Ids {
  readonly ids: unknown[];
}

/** Searches conversations for their participants. */
export function createPeopleSearch(
  models: Pick<Models, 'User'>,
  { conversations }: Pick<ConversationKind, 'conversations'>,
  work: Work,
) {
  /** All participants of these conversations. */
  const readParticipants = async (ids: readonly Types.ObjectId[]): Promise<Types.ObjectId[]> => {
    const [found] = await conversations.aggregate<Ids>([
      { $match: { _id: { $in: ids } } },
      { $project: { users: 1 } },
      { $unwind: '$users' },
      { $group: { _id: '$users' } },
      { $limit: PARTICIPANTS_MAX },
      { $group: { _id: null, ids: { $push: '$_id' } } },
    ]);
    return toIds(found?.ids);
  };

  /** Users whose names contain the text. Names are read each time, because other services change them without notice. */
  const named = async (ids: readonly Types.ObjectId[], text: string): Promise<Types.ObjectId[]> => {
    if (ids.length === 0) return [];
    const options = { projection: NAMES, batchSize: ids.length + 1 };
    const filter = { _id: { $in: [...ids] }, $or: conditionsFor(text) };
    const found = await models.User.collection.find(filter, options).toArray();
    return found
      .map((person) => readStored<Named>(models.User as never, person, NAMES))
      .flatMap((person) => (foldText(nameOf(person)).includes(text) ? person._id : []));
  };

  /** Conversations that match a condition on their participants. */
  const having = async (ids: readonly Types.ObjectId[], condition: object): Promise<Types.ObjectId[]> => {
    const [found] = await conversations.aggregate<Ids>([
      { $match: { $and: [{ _id: { $in: ids } }, condition] } },
      { $group: { _id: null, ids: { $push: '$_id' } } },
    ]);
    return toIds(found?.ids);
  };

  return {
    /** Those of the conversations in which all of the users take part. */
    withAll: (ids: readonly Types.ObjectId[], users: readonly Types.ObjectId[]): Promise<Types.ObjectId[]> =>
      having(ids, { $and: users.map((user) => takesPart([user])) }),

    /** Finds conversations with participants whose names contain the text, and reads each name once. The viewer does not count. */
    begin(viewer: Viewer, text: string) {
      const seen = new Set([viewer.id]);
      const matching: Types.ObjectId[] = [];
      return async function findPeople(ids: readonly Types.ObjectId[]): Promise<Types.ObjectId[]> {
        if (ids.length === 0) return [];
        const strangers = (await readParticipants(ids)).filter((id) => !seen.has(id.toHexString()));
        for (const id of strangers) seen.add(id.toHexString());
        await work.pay(viewer.principal, { rows: strangers.length });
        matching.push(...(await named(strangers, text)));
        return matching.length === 0 ? [] : having(ids, takesPart(matching));
      };
    },
  };
}

/** Some services store ids as text. Aggregations are not cast, so both forms are listed. */
export const takesPart = (ids: readonly Types.ObjectId[]): object => ({
  users: { $in: ids.flatMap((id) => [id, id.toHexString()]) },
});

const toIds = (stored: readonly unknown[] = []): Types.ObjectId[] => stored.flatMap((id) => readId(id) ?? []);

/** Ids as text, to look them up. */
export const toSet = (ids: readonly Types.ObjectId[]): Set<string> => new Set(ids.map((id) => id.toHexString()));

/**
 * What the database can decide of a name that contains the text, so that few names are sent: the name has the longest word of the
 * text, or letters that may be folded to it. A word is in one field, because the fields of a name are joined by a blank.
 */
function conditionsFor(text: string): object[] {
  const [word = ''] = text.split(' ').sort((one, other) => other.length - one.length);
  const patterns = [FOLDED_LETTER, ...(FOLDED_LETTER.test(word) ? [] : [new RegExp(escapePattern(word), 'i')])];
  return Object.keys(NAMES).flatMap((field) => [{ [field]: { $in: patterns } }, { [field]: { $type: 'objectId' } }]);
}

/** Escapes text for use in a regular expression. */
const escapePattern = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
