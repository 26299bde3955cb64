import { hash, hkdfSync, timingSafeEqual } from 'node:crypto';
import { nameOfApiKey } from '../../auth/api-key.js';
import type { SecretValues } from '../../config/live-secrets.js';

/** What a session may do. */
export type Access = 'read' | 'act';

/** A key that opens sessions. */
export interface SessionKey {
  /** In the log. */
  readonly name: string;
  readonly access: Access;
  /** In cookies. Derived from the key, and of no use to guess it. */
  readonly id: string;
  /** Signs cookies. */
  readonly signer: Buffer;
  /** Of the key itself. */
  readonly digest: Buffer;
}

const ID_BYTES = 8;
const SIGNER_BYTES = 32;

const derive = (key: string, purpose: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, '', `console session: ${purpose}`, bytes));

const digestOf = (key: string): Buffer => hash('sha256', Buffer.from(key, 'utf8'), 'buffer');

/** The keys that open sessions now: those of the console, and the API keys, which may act. */
export function toSessionKeys({ consoleKeys, apiKeys }: Pick<SecretValues, 'consoleKeys' | 'apiKeys'>): SessionKey[] {
  const ofBackends = apiKeys.map((key) => ({ key, name: nameOfApiKey(key), access: 'act' as const }));
  return [...consoleKeys, ...ofBackends].map(({ key, name, access }) => ({
    ...{ name, access },
    id: derive(key, 'id', ID_BYTES).toString('hex'),
    signer: derive(key, 'signature', SIGNER_BYTES),
    digest: digestOf(key),
  }));
}

/** Compares all keys always: the time does not reveal which one matched. */
export function findSessionKey(keys: readonly SessionKey[], text: string): SessionKey | undefined {
  const presented = digestOf(text);
  let found: SessionKey | undefined;
  for (const key of keys) found = timingSafeEqual(key.digest, presented) ? (found ?? key) : found;
  return found;
}
