import type { Model } from 'mongoose';
import type { Revocation } from '#shared/models/revocation.js';
import { invalidToken } from '../auth/invalid-token.js';
import type { Principal } from '../auth/principal.js';
import { GatewayError } from '../errors.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import { isDuplicateKey } from '../platform/mongo/duplicate-key.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import type { Bus } from './bus.js';

/** Revocations that a node holds, about 150 bytes each. */
const REVOCATIONS_MAX = 100_000;
/** How often a node reads what is new. A lost message of the bus delays a revocation by no more than this. */
const READ_INTERVAL_MS = 5_000;
/** Writes become visible in another order than they are dated, so each read begins so much before the newest known. */
const READ_OVERLAP_MS = 10_000;
/** Changes within this time are applied to the open sockets in one pass. */
const PASS_DELAY_MS = 100;
/** How long the end of a block is kept, for nodes whose clocks are behind. */
const SKEW_MS = 60_000;
const TOPIC = 'revocations';
/** Kept until a backend removes it from the database. */
const FOR_EVER = Date.UTC(9999, 11, 31);

/** What a backend withdraws. Times are Unix times in milliseconds. */
export type Withdrawal =
  | { readonly userId: string; readonly blockedUntil: number }
  | { readonly userId: string; readonly issuedBefore: number; readonly endsAt?: number | undefined }
  | { readonly tokenId: string; readonly endsAt?: number | undefined };

/** Who is refused although their token is valid. */
export interface Revocations {
  /** @throws GatewayError `INVALID_TOKEN` for a revoked token, `FORBIDDEN` with `retryAfterMs` for a blocked user */
  ensureAllowed(principal: Principal): void;
  /**
   * Stores a withdrawal, then applies it on every node.
   * @throws GatewayError `QUOTA_EXCEEDED` when there are too many
   */
  withdraw(withdrawal: Withdrawal): Promise<void>;
  /** Disconnects a socket whose token was revoked while it connected. */
  readonly listener: SocketListener;
  /** Loads all, and keeps them current. @returns stops that */
  start(): Promise<() => Promise<void>>;
}

interface Dependencies {
  model: Model<Revocation>;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  /** All sockets of this node. */
  sockets: () => Iterable<GatewaySocket>;
}

/** A revocation in memory. Values only grow, so the order in which nodes learn of changes does not matter. */
interface Entry {
  readonly id: string;
  readonly issuedBefore: number;
  readonly blockedUntil: number;
  readonly endsAt: number;
}

/**
 * Holds every revocation in memory, so that a connect waits for no database. The database is the source; the bus makes
 * changes fast, and a periodic read finds those that the bus has lost.
 */
export function createRevocations({ model, bus, clock, logger, sockets }: Dependencies): Revocations {
  const entries = new Map<string, Entry>();
  let newestMs = 0;
  let isPassDue = false;
  let reading: Promise<void> | undefined;

  const entryOf = (id: string, now: number): Entry | undefined => {
    const entry = entries.get(id);
    return entry === undefined || entry.endsAt <= now ? undefined : entry;
  };

  const ensureAllowed = (principal: Principal): void => {
    if (entries.size === 0 || (principal.kind !== 'user' && principal.kind !== 'visitor')) return;
    const now = clock.now();
    const { tokenId, issuedAt } = principal;
    if (tokenId !== '' && entryOf(toTokenKey(tokenId), now) !== undefined) throw invalidToken('the token was revoked');
    if (principal.kind === 'visitor') return;
    const entry = entryOf(toUserKey(principal.userId), now);
    if (entry === undefined) return;
    if (entry.blockedUntil > now) throw new GatewayError('FORBIDDEN', { retryAfterMs: entry.blockedUntil - now });
    if (issuedAt < entry.issuedBefore) throw invalidToken('the tokens of the user were revoked');
  };

  const isAllowed = (principal: Principal): boolean => {
    try {
      ensureAllowed(principal);
      return true;
    } catch {
      return false;
    }
  };

  const pass = (): void => {
    isPassDue = false;
    for (const socket of [...sockets()]) {
      if (isAllowed(socket.data.principal)) continue;
      socket.emit('disconnected', { reason: 'revoked' });
      socket.disconnect();
    }
  };

  const requestPass = (): void => {
    if (isPassDue) return;
    isPassDue = true;
    clock.after(PASS_DELAY_MS, pass);
  };

  const apply = (entry: Entry): void => {
    const known = entries.get(entry.id);
    const merged = known === undefined ? entry : merge(known, entry);
    if (known !== undefined && isSame(known, merged)) return;
    entries.set(entry.id, merged);
    requestPass();
  };

  const read = async (): Promise<void> => {
    const since = new Date(newestMs - READ_OVERLAP_MS);
    for await (const found of model
      .find({ changedAt: { $gte: since } })
      .lean<Revocation>()
      .cursor()) {
      newestMs = Math.max(newestMs, found.changedAt?.getTime() ?? 0);
      apply(toEntry(found));
    }
    const now = clock.now();
    for (const { id, endsAt } of entries.values()) if (endsAt <= now) entries.delete(id);
  };

  const store = (entry: Entry): Promise<unknown> => {
    const { id, endsAt, ...times } = entry;
    const dates = Object.entries(times).flatMap(([name, at]) => (at === 0 ? [] : [[name, new Date(at)] as const]));
    const change = {
      $max: { ...Object.fromEntries(dates), purgeAt: new Date(endsAt) },
      $currentDate: { changedAt: true as const },
    };
    const upsert = () => model.updateOne({ _id: id }, change, { upsert: true });
    // Two first revocations of a user race to insert the document; the loser finds it the second time.
    return upsert().catch((error: unknown) => {
      if (!isDuplicateKey(error)) throw error;
      return upsert();
    });
  };

  return {
    ensureAllowed,
    async withdraw(withdrawal) {
      const entry = ofWithdrawal(withdrawal);
      if (entries.size >= REVOCATIONS_MAX && !entries.has(entry.id)) throw new GatewayError('QUOTA_EXCEEDED');
      await store(entry);
      apply(entry);
      bus.publish(TOPIC, entry);
    },
    listener: {
      connected: (socket) => void (isAllowed(socket.data.principal) || requestPass()),
      disconnected: () => undefined,
    },
    async start() {
      bus.subscribe(TOPIC, (message) => apply(message as Entry));
      await read();
      const cancel = clock.every(READ_INTERVAL_MS, () => {
        reading ??= read()
          .catch((error: unknown) => logger.warn({ err: error }, 'revocations: the new ones could not be read'))
          .finally(() => {
            reading = undefined;
          });
      });
      return async () => {
        cancel();
        await reading;
      };
    },
  };
}

const OBJECT_ID = /^[0-9a-f]{24}$/i;

/** Tokens may spell an ObjectId in upper case. */
const toUserKey = (userId: string): string => `user:${OBJECT_ID.test(userId) ? userId.toLowerCase() : userId}`;
const toTokenKey = (tokenId: string): string => `token:${tokenId}`;

function ofWithdrawal(withdrawal: Withdrawal): Entry {
  const none = { issuedBefore: 0, blockedUntil: 0 };
  if ('tokenId' in withdrawal) {
    return { ...none, id: toTokenKey(withdrawal.tokenId), endsAt: withdrawal.endsAt ?? FOR_EVER };
  }
  const id = toUserKey(withdrawal.userId);
  if ('blockedUntil' in withdrawal) {
    const { blockedUntil } = withdrawal;
    return { ...none, id, blockedUntil, endsAt: blockedUntil + SKEW_MS };
  }
  return { ...none, id, issuedBefore: withdrawal.issuedBefore, endsAt: withdrawal.endsAt ?? FOR_EVER };
}

const toEntry = ({ _id, issuedBefore, blockedUntil, purgeAt }: Revocation): Entry => ({
  id: _id ?? '',
  issuedBefore: issuedBefore?.getTime() ?? 0,
  blockedUntil: blockedUntil?.getTime() ?? 0,
  endsAt: purgeAt.getTime(),
});

const merge = (one: Entry, other: Entry): Entry => ({
  id: one.id,
  issuedBefore: Math.max(one.issuedBefore, other.issuedBefore),
  blockedUntil: Math.max(one.blockedUntil, other.blockedUntil),
  endsAt: Math.max(one.endsAt, other.endsAt),
});

const isSame = (one: Entry, other: Entry): boolean =>
  one.issuedBefore === other.issuedBefore && one.blockedUntil === other.blockedUntil && one.endsAt === other.endsAt;
