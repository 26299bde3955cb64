import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { NAME_COLLATION, nameIndexes, type User } from '#shared/models/user.js';
import { readStored } from '../../models/index.js';
import { isServerError } from '../../platform/mongo/errors.js';

/** A user who was found, regardless of access. */
export type NamedUser = Pick<User, keyof typeof FIELDS> & { readonly _id: Types.ObjectId };

/** What a search by name finds. */
export interface NameSearch {
  /** In the order of what is shown as their name. */
  readonly users: readonly NamedUser[];
  /** There are more than were asked for. */
  readonly hasMore: boolean;
}

/** What is asked of the name, by the index that answers it. */
interface Range {
  readonly index: string;
  readonly filter: object;
}

const FIELDS = { account: 1, name: 1, firstName: 1, lastName: 1 } as const;

/** Of a text with more words, the first name has at most so many. */
const FIRST_NAME_WORDS = 3;

const collator = new Intl.Collator(NAME_COLLATION.locale, { sensitivity: 'base' });

/**
 * Finds users by the beginning of a name. It reads ranges of indexes, at most `limit + 1` documents of each, and at most six
 * ranges. The text is only ever compared: it is no pattern.
 */
export function createNameSearch({ User }: Pick<Models, 'User'>, shownNameOf: (user: NamedUser) => string) {
  const read = async ({ index, filter }: Range, limit: number): Promise<NamedUser[]> => {
    // The index has the order of the names. To ask for it would read all that is found where a name is an array.
    const options = { projection: FIELDS, collation: NAME_COLLATION, hint: index, limit, batchSize: limit };
    const found = await User.collection.find(filter, options).toArray();
    return found.map((user) => readStored<NamedUser>(User as never, user, FIELDS));
  };

  /** @returns `undefined` when an index is missing */
  return async function searchByName(text: string, limit: number): Promise<NameSearch | undefined> {
    const words = text.split(/\s+/).filter((word) => word !== '');
    if (words.length === 0) return { users: [], hasMore: false };
    try {
      const found = await Promise.all(toRanges(words).map((range) => read(range, limit + 1)));
      const users = [...new Map(found.flat().map((user) => [String(user._id), user])).values()].sort(
        (one, other) =>
          collator.compare(shownNameOf(one), shownNameOf(other)) || (String(one._id) < String(other._id) ? -1 : 1),
      );
      return { users: users.slice(0, limit), hasMore: users.length > limit };
    } catch (error) {
      if (isServerError(error, 'BAD_VALUE')) return undefined;
      throw error;
    }
  };
}

function toRanges(words: readonly string[]): Range[] {
  const text = words.join(' ');
  const splits = words.slice(1, FIRST_NAME_WORDS + 1).map((_, before) => before + 1);
  return [
    { index: nameIndexes.name, filter: { name: startingWith(text) } },
    { index: nameIndexes.firstName, filter: { firstName: startingWith(text) } },
    { index: nameIndexes.lastName, filter: { lastName: startingWith(text) } },
    ...splits.map((count) => ({
      index: nameIndexes.firstName,
      filter: { firstName: words.slice(0, count).join(' '), lastName: startingWith(words.slice(count).join(' ')) },
    })),
  ];
}

/** In the order of collations, U+FFFF comes after every other character. */
const startingWith = (text: string) => ({ $gte: text, $lte: `${text}\uffff` });
