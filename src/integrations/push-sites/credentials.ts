import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Site } from '../../config/sites.js';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The headers by which a website knows a client. */
export type Credentials = Readonly<Record<string, string>>;

/**
 * Seals what the website of a site has to be shown when a user has left, perhaps by another node: it is kept where all
 * nodes can read it, and is unreadable without the key of the site.
 */
export function createSeal({ apiKey }: Site) {
  const key = Buffer.from(hkdfSync('sha256', apiKey, '', 'credentials of users', 32));
  return {
    seal(credentials: Credentials): string {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce);
      const sealed = Buffer.concat([cipher.update(JSON.stringify(credentials)), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
    },

    /** What was sealed with another key, or is damaged, is nothing: the website decides what to do without it. */
    open(text: string): Credentials {
      const bytes = Buffer.from(text, 'base64');
      const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
      try {
        const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        return JSON.parse(Buffer.concat([decipher.update(body), decipher.final()]).toString()) as Credentials;
      } catch {
        return {};
      }
    },
  };
}
