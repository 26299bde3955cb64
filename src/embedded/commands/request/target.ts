import { fieldOf } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { Namespace } from '../../engine/database.js';
import { fail } from '../../errors.js';
import type { Request } from './request.js';

/** The name of the collection in the first field of a command. @throws DatabaseError InvalidNamespace */
export function targetName(request: Request): string {
  const name = fieldOf(request.command, request.name);
  if (typeof name !== 'string') {
    return fail(
      'InvalidNamespace',
      `collection name has invalid type ${typeof name === 'number' ? 'int' : typeof name}`,
    );
  }
  if (name === '' || name.includes('\0'))
    fail('InvalidNamespace', `Invalid namespace specified '${request.database}.${name}'`);
  return name;
}

/** The collection that a command names; undefined when it does not exist. */
export const targetCollection = (request: Request): Collection | undefined =>
  request.state.engine.collection(request.database, targetName(request));

/**
 * Splits `database.collection`.
 * @throws DatabaseError InvalidNamespace without a database
 */
export function toNamespace(text: string): Namespace {
  const dot = text.indexOf('.');
  if (dot <= 0) return fail('InvalidNamespace', `Invalid namespace specified '${text}'`);
  return { database: text.slice(0, dot), name: text.slice(dot + 1) };
}

/** The collection with this name in the database of the request, created if it does not exist. */
export const openTarget = ({ state, database, transaction }: Request, name: string): Collection =>
  state.engine.openCollection({ database, name }, transaction);
