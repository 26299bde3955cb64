import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Request headers that authenticate a client at its website. */
export type Credentials = Readonly<Record<string, string>>;

/**
 * Encrypts the headers that a website gets when a user disconnects, possibly from another node. They are stored where
 * all nodes can read them, and are encrypted with a key derived from the site's API key.
 * @param apiKeys of the site: the first one encrypts, and any of them decrypts
 */
export function createSeal([newest, ...older]: readonly string[]) {
  const toKey = (apiKey: string): Buffer => Buffer.from(hkdfSync('sha256', apiKey, '', 'credentials of users', 32));
  const key = toKey(newest ?? '');
  const keys = [key, ...older.map(toKey)];
  return {
    seal(credentials: Credentials): string {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce);
      const sealed = Buffer.concat([cipher.update(JSON.stringify(credentials)), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
    },

    /** Returns no credentials for damaged data or another key; the website decides how to handle the call. */
    open(text: string): Credentials {
      const bytes = Buffer.from(text, 'base64');
      for (const one of keys) {
        try {
          return JSON.parse(decrypt(bytes, one)) as Credentials;
        } catch {
          // Encrypted with another key, or damaged.
        }
      }
      return {};
    },
  };
}

/** @throws Error for another key and damaged data */
function decrypt(bytes: Buffer, key: Buffer): string {
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString();
}
