import { z } from 'zod';
import type { Revocation } from '#shared/models/revocation.js';

/** How long an expired block is kept, for nodes whose clocks are behind. */
const SKEW_MS = 60_000;
/** Kept until a backend deletes it from the database. */
const NEVER = Date.UTC(9999, 11, 31);

/** What a backend revokes. Times are Unix times in milliseconds. */
export type NewRevocation =
  /** A block of a user; a longer one stays. */
  | { readonly userId: string; readonly blockedUntil: number }
  | { readonly userId: string; readonly issuedBefore: number; readonly endsAt?: number | undefined }
  | { readonly tokenId: string; readonly endsAt?: number | undefined };

/** An entry as it travels between nodes. */
export const entryForm = z.object({
  id: z.string(),
  issuedBefore: z.number(),
  blockedUntil: z.number(),
  blockVersion: z.number(),
  endsAt: z.number(),
});

/**
 * A revocation in memory. Its values only grow, except the block: of two states of the block, the one with the higher
 * version counts. So the order in which nodes learn of changes does not matter. The database counts the versions.
 */
export type Entry = Readonly<z.output<typeof entryForm>>;

/** The id of the entry for all tokens of a user. */
export const toUserKey = (userId: string): string => `user:${userId}`;

/** The id of the entry for one token, by its `jti`. */
export const toTokenKey = (tokenId: string): string => `token:${tokenId}`;

/** The change of a document: what only grows, and the block. */
export interface Change {
  readonly id: string;
  /** What the document must meet besides its id. */
  readonly condition?: Readonly<Record<string, unknown>>;
  readonly update: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const CHANGED_NOW = { changedAt: true } as const;
const NEXT_BLOCK = { blockVersion: 1 };
const purgeAfterBlock = (blockedUntil: number): Date => new Date(blockedUntil + SKEW_MS);

/** The change that a new revocation makes. */
export function toChange(revocation: NewRevocation): Change {
  if ('tokenId' in revocation) {
    const purgeAt = new Date(revocation.endsAt ?? NEVER);
    return { id: toTokenKey(revocation.tokenId), update: { $max: { purgeAt }, $currentDate: CHANGED_NOW } };
  }
  const id = toUserKey(revocation.userId);
  if ('blockedUntil' in revocation) {
    const { blockedUntil } = revocation;
    const $max = { blockedUntil: new Date(blockedUntil), purgeAt: purgeAfterBlock(blockedUntil) };
    return { id, update: { $max, $inc: NEXT_BLOCK, $currentDate: CHANGED_NOW } };
  }
  const $max = { issuedBefore: new Date(revocation.issuedBefore), purgeAt: new Date(revocation.endsAt ?? NEVER) };
  return { id, update: { $max, $currentDate: CHANGED_NOW } };
}

/** The change that blocks a user until a time, also if a longer block exists. */
export const toBlock = (userId: string, blockedUntil: number): Change => ({
  id: toUserKey(userId),
  update: {
    $set: { blockedUntil: new Date(blockedUntil) },
    $max: { purgeAt: purgeAfterBlock(blockedUntil) },
    $inc: NEXT_BLOCK,
    $currentDate: CHANGED_NOW,
  },
});

/** The change that ends the block of a user, if there is one at `now`. */
export const toUnblock = (userId: string, now: number): Change => ({
  id: toUserKey(userId),
  condition: { blockedUntil: { $gt: new Date(now) } },
  update: { $unset: { blockedUntil: '' }, $inc: NEXT_BLOCK, $currentDate: CHANGED_NOW },
});

/** Documents of earlier versions of the gateway have no version. One that was stored by hand may lack any other field. */
export const fromDocument = ({
  _id,
  issuedBefore,
  blockedUntil,
  blockVersion,
  purgeAt,
}: Partial<Revocation>): Entry => ({
  id: _id ?? '',
  issuedBefore: issuedBefore?.getTime() ?? 0,
  blockedUntil: blockedUntil?.getTime() ?? 0,
  blockVersion: blockVersion ?? 0,
  endsAt: purgeAt?.getTime() ?? NEVER,
});

/** What two states of a revocation say together. */
export function merge(one: Entry, other: Entry): Entry {
  const newest = one.blockVersion >= other.blockVersion ? one : other;
  const isTie = one.blockVersion === other.blockVersion;
  return {
    id: one.id,
    issuedBefore: Math.max(one.issuedBefore, other.issuedBefore),
    blockedUntil: isTie ? Math.max(one.blockedUntil, other.blockedUntil) : newest.blockedUntil,
    blockVersion: newest.blockVersion,
    endsAt: Math.max(one.endsAt, other.endsAt),
  };
}

/** Whether two states of one revocation are equal. */
export const isSame = (one: Entry, other: Entry): boolean =>
  one.issuedBefore === other.issuedBefore &&
  one.blockedUntil === other.blockedUntil &&
  one.blockVersion === other.blockVersion &&
  one.endsAt === other.endsAt;
