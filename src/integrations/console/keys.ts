import { hkdfSync } from 'node:crypto';
import { nameOfApiKey } from '../../auth/api-key.js';
import { type DigestedKey, digestOf } from '../../auth/key-digest.js';
import type { SecretValues } from '../../config/live-secrets.js';

/** What a session may do. */
export type Access = 'read' | 'act';

/** A key that opens sessions. */
export interface SessionKey extends DigestedKey {
  /** In the log. */
  readonly name: string;
  readonly access: Access;
  /** In cookies. Derived from the key, and of no use to guess it. */
  readonly id: string;
  /** Signs cookies. */
  readonly signer: Buffer;
}

const ID_BYTES = 8;
const SIGNER_BYTES = 32;

const derive = (key: string, purpose: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, '', `console session: ${purpose}`, bytes));

/** The keys that open sessions now: those of the console, and the API keys, which may act. */
export function toSessionKeys({ consoleKeys, apiKeys }: Pick<SecretValues, 'consoleKeys' | 'apiKeys'>): SessionKey[] {
  const ofBackends = apiKeys.map((key) => ({ key, name: nameOfApiKey(key), access: 'act' as const }));
  return [...consoleKeys, ...ofBackends].map(({ key, name, access }) => ({
    name,
    access,
    id: derive(key, 'id', ID_BYTES).toString('hex'),
    signer: derive(key, 'signature', SIGNER_BYTES),
    digest: digestOf(key),
  }));
}
