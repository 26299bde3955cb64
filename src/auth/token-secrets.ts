import { createSecretKey, type KeyObject } from 'node:crypto';

/** A secret that verifies tokens. */
export interface TokenSecret {
  /** Identifies the secret in this process; not derived from it. */
  readonly id: number;
  readonly key: KeyObject;
}

/** The HS256 secrets that are accepted now. */
export interface TokenSecrets {
  readonly current: () => readonly TokenSecret[];
  /** Whether tokens of a secret are accepted. @param id of a principal; 0: of no secret, which is always accepted */
  isAccepted(id: number): boolean;
}

/** The id of tokens that no secret signed. */
export const NO_SECRET = 0;

/** @param secrets the accepted secrets, none of them empty; the same list as long as they are the same */
export function createTokenSecrets(secrets: () => readonly string[]): TokenSecrets {
  const known = new Map<string, TokenSecret>();
  const toSecret = (text: string): TokenSecret => {
    if (text === '') throw new Error('A token verifier needs a secret or a key set');
    // Created once: given a string, the library would try to parse it as a public key for every token.
    const secret = known.get(text) ?? { id: known.size + 1, key: createSecretKey(text, 'utf8') };
    known.set(text, secret);
    return secret;
  };
  let list: readonly string[] = [];
  let current: readonly TokenSecret[] = [];
  let ids: ReadonlySet<number> = new Set();
  const update = (): void => {
    const next = secrets();
    if (next === list) return;
    list = next;
    current = next.map(toSecret);
    ids = new Set([NO_SECRET, ...current.map(({ id }) => id)]);
  };
  return {
    current() {
      update();
      return current;
    },
    isAccepted(id) {
      update();
      return ids.has(id);
    },
  };
}
