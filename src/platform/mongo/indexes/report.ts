import { mongo } from 'mongoose';
import type { ExistingIndex } from './compare.js';
import type { WantedIndex } from './wanted.js';

/** An index that differs from the wanted one. */
export interface IndexProblem {
  readonly index: WantedIndex;
  /** One sentence: collection, index and problem. */
  readonly sentence: string;
  /** A mongosh command that fixes it. */
  readonly command: string;
}

/** The index is missing. */
export const toMissing = (index: WantedIndex): IndexProblem => ({
  index,
  sentence: `${describe(index)} is missing${consequenceOf(index)}`,
  command: createCommand(index),
});

/** Another index conflicts. */
export const toConflict = (index: WantedIndex, other: ExistingIndex): IndexProblem => ({
  index,
  sentence:
    `${describe(index)} cannot be created, because the index "${other.name}" ${shell(other.key)}${optionsText(other)} ` +
    `conflicts with it${consequenceOf(index)}`,
  command: `db.getCollection(${quote(index.collection)}).dropIndex(${quote(other.name)}); ${createCommand(index)}`,
});

/** Documents have the same key. @param example two of them, without user data */
export const toDuplicates = (index: WantedIndex, example: string): IndexProblem => ({
  index,
  sentence: `${describe(index)} cannot be created, because several documents have the same key${example}${consequenceOf(index)}`,
  command: `${duplicatesCommand(index)} // keep one document of each, then: ${createCommand(index)}`,
});

/** A key with its texts masked, because they may be user data. */
export const maskKey = (key: Readonly<Record<string, unknown>>): string =>
  shell(
    Object.fromEntries(Object.entries(key).map(([field, value]) => [field, typeof value === 'string' ? '…' : value])),
  );

const describe = ({ collection, name, key }: WantedIndex): string => `${collection}: the index "${name}" ${shell(key)}`;

function consequenceOf({ options, isHinted, consequence }: WantedIndex): string {
  if (consequence !== undefined) return `; without it ${consequence}`;
  if (options.collation !== undefined) return '; without it users are not found by name';
  if (options.unique === true) return '; without it the same thing can be stored twice';
  if (isHinted) return '; without it the lists of conversations fail';
  return '; without it queries read the whole collection';
}

const createCommand = ({ collection, name, key, options }: WantedIndex): string =>
  `db.getCollection(${quote(collection)}).createIndex(${shell(key)}, ${shell({ name, ...options })})`;

/** A command that lists duplicate keys. */
function duplicatesCommand({ collection, key, options }: WantedIndex): string {
  const _id = Object.fromEntries(Object.keys(key).map((field) => [field.replaceAll('.', '_'), `$${field}`]));
  const stages = [
    ...(options.partialFilterExpression === undefined ? [] : [{ $match: options.partialFilterExpression }]),
    { $group: { _id, ids: { $push: '$_id' }, count: { $sum: 1 } } },
    { $match: { count: { $gt: 1 } } },
  ];
  return `db.getCollection(${quote(collection)}).aggregate(${shell(stages)}, { allowDiskUse: true })`;
}

const optionsText = (index: ExistingIndex): string => {
  const { unique, sparse, expireAfterSeconds, partialFilterExpression, collation } = index;
  const options = { unique, sparse, expireAfterSeconds, partialFilterExpression, collation };
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined && value !== false),
  );
  return Object.keys(given).length === 0 ? '' : ` ${shell(given)}`;
};

/** A text for mongosh. */
export const quote = (value: string): string => JSON.stringify(value);

/** Formats a value for mongosh. */
export function shell(value: unknown): string {
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (value instanceof mongo.ObjectId) return `ObjectId("${value.toHexString()}")`;
  if (Array.isArray(value)) return `[${value.map(shell).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  const pairs = Object.entries(value).map(
    ([field, inner]) => `${/^[$\w]+$/.test(field) ? field : quote(field)}: ${shell(inner)}`,
  );
  return `{ ${pairs.join(', ')} }`;
}
