/** The token of an `Authorization: Bearer` header (RFC 6750); `undefined` if absent or of another scheme. */
export const readBearer = (authorization: string | undefined): string | undefined =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
