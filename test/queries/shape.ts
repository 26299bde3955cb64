import type { Access } from './questions.js';
import { type Fields, isFields } from './rules/filter.js';

/**
 * An access without its values: `{ chat: id, createdAt: { $gt: time } }`. Booleans and `null` stay, because the filters of
 * partial indexes are made of them.
 */
export function shapeOf({ operation, rawFilter, sort, limit, change, isUpsert, hint, collation }: Access): string {
  const parts = [operation, showFilter(rawFilter)];
  if (change !== undefined) parts.push('→', showChange(change));
  if (sort.length > 0) parts.push('sort', `{ ${sort.map(([path, direction]) => `${path}: ${direction}`).join(', ')} }`);
  if (limit > 0 && isRead(operation)) parts.push('limit');
  if (isUpsert) parts.push('upsert');
  if (hint !== undefined) parts.push('hint', hint);
  if (collation !== undefined) parts.push('collation');
  return parts.join(' ');
}

const isRead = (operation: string): boolean => operation === 'find' || operation === 'aggregate';

function show(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${[...new Set(value.map(show))].sort().join(', ')}]`;
  if (value instanceof Date) return 'time';
  if (value instanceof RegExp) return 'pattern';
  if (isFields(value)) return showFields(value);
  if (typeof value === 'object') return '_bsontype' in value && value._bsontype === 'ObjectId' ? 'id' : 'value';
  return typeof value === 'string' ? 'text' : typeof value;
}

const showFields = (fields: Fields): string =>
  join(Object.entries(fields).map(([key, value]) => `${key}: ${key === '$type' ? String(value) : show(value)}`));

const join = (parts: readonly string[]): string => (parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`);

/** A filter without its `$and`s, in the order of its names: the same question may be put together in another way. */
const showFilter = (filter: Fields): string => join([...new Set(conditionsOf(filter))].sort());

const conditionsOf = (filter: Fields): string[] =>
  Object.entries(filter).flatMap(([key, value]): string[] => {
    if (key === '$and') return (value as Fields[]).flatMap(conditionsOf);
    const isList = key === '$or' || key === '$nor';
    // However many branches of a form were gathered.
    const shown = isList ? `[${[...new Set((value as Fields[]).map(showFilter))].sort().join(', ')}]` : show(value);
    return [`${key}: ${shown}`];
  });

/** The operators of an update, or the names of stages. */
function showChange(change: unknown): string {
  if (Array.isArray(change))
    return `[${change.map((environment) => Object.keys(environment as object).join()).join(', ')}]`;
  return isFields(change) ? Object.keys(change).sort().join(' ') : '';
}
