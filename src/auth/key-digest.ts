import { hash, timingSafeEqual } from 'node:crypto';

/** A secret key by its digest. */
export interface DigestedKey {
  readonly digest: Buffer;
}

/** @param key as it is configured, or the bytes of one that was presented */
export const digestOf = (key: string | Buffer): Buffer => hash('sha256', key, 'buffer');

/** The digest of a key in a header. Node.js decodes headers as latin1; this restores the bytes. */
export const digestOfHeader = (text: string): Buffer => digestOf(Buffer.from(text, 'latin1'));

/** The key with a digest. Compares all of them always: the time does not reveal which one matched. */
export function findByDigest<Key extends DigestedKey>(keys: readonly Key[], digest: Buffer): Key | undefined {
  let found: Key | undefined;
  for (const key of keys) if (timingSafeEqual(key.digest, digest)) found = key;
  return found;
}
