import { hash } from 'node:crypto';
import { Types } from 'mongoose';
import { isDuplicateKey } from './duplicate-key.js';

/**
 * The id of what a caller makes under a key of its own. It is the same for the same key, so what a repeated call would make once more
 * is refused by the index of the ids, in every collection and on any node.
 */
export const keyedId = (...parts: readonly [kind: string, caller: string, key: string]): Types.ObjectId =>
  new Types.ObjectId(hash('sha256', JSON.stringify(parts), 'hex').slice(0, 24));

/** Makes a document with a keyed id, or shows the one that an earlier call has made. */
export async function makeOnce<T>(document: {
  isMade(): Promise<boolean>;
  make(): Promise<T>;
  show(): Promise<T>;
}): Promise<T> {
  if (await document.isMade()) return document.show();
  try {
    return await document.make();
  } catch (error) {
    // Another call was faster.
    if (isDuplicateKey(error, '_id')) return document.show();
    throw error;
  }
}
