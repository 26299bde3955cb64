import { isObjectIdOrHexString, type Types } from 'mongoose';

/** Where an entry is in a list that is ordered by a time, newest first, and then by id. */
export interface Position {
  readonly at: Date;
  readonly _id: Types.ObjectId;
}

/**
 * What comes behind a position, as a range of the index that ends in the time and `_id`.
 * @param field of the time
 */
export const behind = (field: string, { at, _id }: Position): object => ({
  // The first bounds the index; the second only leaves out what has the same time.
  [field]: { $lte: at },
  $nor: [{ [field]: at, _id: { $gte: _id } }],
});

/** What comes before a position, that is, what is newer. */
export const ahead = (field: string, { at, _id }: Position): object => ({
  [field]: { $gte: at },
  $nor: [{ [field]: at, _id: { $lte: _id } }],
});

/** What comes behind a position, with the entry that is there. */
export const upTo = (field: string, { at, _id }: Position): object => ({
  [field]: { $lte: at },
  $nor: [{ [field]: at, _id: { $gt: _id } }],
});

/** What comes behind a time, as clients may name one in the place of an id. */
export const earlierThan = (field: string, time: string): object => ({ [field]: { $lt: new Date(time) } });

/** The same for what is newer. */
export const laterThan = (field: string, time: string): object => ({ [field]: { $gt: new Date(time) } });

/** Whether a client named an entry, and not a time. */
export const isId = (before: string): boolean => isObjectIdOrHexString(before);
