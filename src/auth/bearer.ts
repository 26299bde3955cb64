/** What stands behind `Bearer` in an `Authorization` header (RFC 6750); `undefined` for none and for other schemes. */
export const readBearer = (authorization: string | undefined): string | undefined =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
