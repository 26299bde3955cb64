import { toBulk } from './questions.js';
import type { RecordedCommand } from './recorder.js';
import { type Fields, isFields } from './rules/filter.js';

/** Operators that this project uses and MongoDB 6.0 has. A new one is looked up in MongoDB's reference before it is added. */
const IN_MONGODB_6: ReadonlySet<string> = new Set(
  `$add $addToSet $all $and $concatArrays $cond $currentDate $each $elemMatch $eq $exists $filter $first $group $gt $gte $ifNull $in $inc
  $isArray $isNumber $toLong $indexOfArray $indexOfCP $substrCP $let $limit $literal $lookup $lt $lte $map $match $max $min $mul $ne $nin $nor $not $or $project
  $pull $pullAll $push $reduce $regex $round $set $setOnInsert $size $slice $sort $subtract $sum $switch $toLower $toString
  $toInt $concat $type $unset $unwind $skip $count $addFields $replaceWith $arrayElemAt $anyElementTrue $allElementsTrue $setUnion $setIntersection $setDifference $options`.split(
    /\s+/,
  ),
);

/** Options of statements that came after version 6.0. */
const LATER_OPTIONS: readonly (readonly [list: string, option: string])[] = [['updates', 'sort']];

/**
 * What of a command MongoDB 6.0 does not know. `bulkWrite` is looked at as the commands that are sent instead when a server
 * refuses it (`src/platform/mongo/write-together.ts`).
 */
export function unknownToMongoDb6({ name, command }: RecordedCommand): string[] {
  if (name === 'bulkWrite') return toBulk(command as never).flatMap(unknownToMongoDb6);
  const unknown: string[] = [];
  for (const [list, option] of LATER_OPTIONS) {
    const statements = (command[list] ?? []) as Fields[];
    if (statements.some((statement) => statement[option] !== undefined)) unknown.push(`${list}.${option}`);
  }
  const { filter, query, pipeline, update, projection, fields } = command;
  const updates = ((command['updates'] ?? []) as Fields[]).flatMap(({ q, u, arrayFilters }) => [q, u, arrayFilters]);
  const deletes = ((command['deletes'] ?? []) as Fields[]).map(({ q }) => q);
  for (const part of [filter, query, pipeline, update, projection, fields, ...updates, ...deletes]) {
    unknown.push(...operatorsIn(part).filter((operator) => !IN_MONGODB_6.has(operator)));
  }
  return unknown;
}

function operatorsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(operatorsIn);
  // Of an object of a class only its class knows what is stored of it.
  if (!isFields(value) || ![Object.prototype, null].includes(Object.getPrototypeOf(value))) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key.startsWith('$') ? [key] : []),
    // What is stored is no operator, whatever it looks like.
    ...(key === '$literal' ? [] : operatorsIn(inner)),
  ]);
}
