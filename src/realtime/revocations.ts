import type { Model } from 'mongoose';
import type { Revocation } from '#shared/models/revocation.js';
import { invalidToken } from '../auth/invalid-token.js';
import type { Principal } from '../auth/principal.js';
import type { TokenSecrets } from '../auth/token-secrets.js';
import { GatewayError } from '../errors.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import { isDuplicateKey } from '../platform/mongo/duplicate-key.js';
import { startPolling } from '../platform/poller.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import type { Bus } from './bus.js';

/** Revocations in memory, about 150 bytes each. */
const REVOCATIONS_MAX = 100_000;
/** How often a node polls for changes. A lost message of the bus delays a revocation by no more than this. */
const POLL_INTERVAL_MS = 5_000;
/** Writes become visible in another order than their dates, so each poll overlaps the one before by this much. */
const POLL_OVERLAP_MS = 10_000;
/** Changes within this time are applied to open sockets in one pass. */
const PASS_DELAY_MS = 100;
/** How long an expired block is kept, for nodes whose clocks are behind. */
const SKEW_MS = 60_000;
const TOPIC = 'revocations';
/** Kept until a backend deletes it from the database. */
const NEVER = Date.UTC(9999, 11, 31);

/** What a backend revokes. Times are Unix times in milliseconds. */
export type NewRevocation =
  | { readonly userId: string; readonly blockedUntil: number }
  | { readonly userId: string; readonly issuedBefore: number; readonly endsAt?: number | undefined }
  | { readonly tokenId: string; readonly endsAt?: number | undefined };

interface Dependencies {
  model: Model<Revocation>;
  /** A token of a secret that is not accepted any more counts as revoked. */
  tokenSecrets: Pick<TokenSecrets, 'isAccepted'>;
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
 * Revoked tokens, tokens of secrets that were removed, and blocked users: they are refused although they were accepted before. All revocations are kept in memory, so
 * that a connect does not wait for the database. The database is the source of truth; the bus distributes changes at once, and
 * a poll finds those that the bus has lost.
 */
export class Revocations {
  /** Disconnects a socket whose token was revoked during the connect. */
  readonly listener: SocketListener = {
    connected: ({ data }) => void (this.#isAllowed(data.principal) || this.#requestPass()),
    disconnected: () => undefined,
  };
  readonly #dependencies: Dependencies;
  /** By id. */
  readonly #entries = new Map<string, Entry>();
  /** Unix time in milliseconds of the newest change that was read. */
  #newestMs = 0;
  #isPassDue = false;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** Loads all revocations and keeps them up to date. @returns stops that */
  async start(): Promise<() => Promise<void>> {
    const { bus, clock, logger } = this.#dependencies;
    bus.subscribe(TOPIC, (message) => this.#apply(message as Entry));
    await this.#poll();
    return startPolling({
      clock,
      intervalMs: POLL_INTERVAL_MS,
      poll: () => this.#poll(),
      onError: (error) => logger.warn({ err: error }, 'revocations: polling failed; retrying'),
    });
  }

  /** @throws GatewayError `INVALID_TOKEN` for a revoked token, `FORBIDDEN` with `retryAfterMs` for a blocked user */
  ensureAllowed(principal: Principal): void {
    if (principal.kind !== 'user' && principal.kind !== 'visitor') return;
    if (!this.#dependencies.tokenSecrets.isAccepted(principal.secretId))
      throw invalidToken('the secret of the token is not accepted any more');
    if (this.#entries.size === 0) return;
    const now = this.#dependencies.clock.now();
    const { tokenId, issuedAt } = principal;
    if (tokenId !== '' && this.#find(toTokenKey(tokenId), now) !== undefined)
      throw invalidToken('the token was revoked');
    if (principal.kind === 'visitor') return;
    const entry = this.#find(toUserKey(principal.userId), now);
    if (entry === undefined) return;
    if (entry.blockedUntil > now) throw new GatewayError('FORBIDDEN', { retryAfterMs: entry.blockedUntil - now });
    if (issuedAt < entry.issuedBefore) throw invalidToken('the tokens of the user were revoked');
  }

  /** Closes the connections of tokens that are not accepted any more. */
  recheck(): void {
    this.#requestPass();
  }

  /**
   * Stores a revocation, then applies it on every node.
   * @throws GatewayError `QUOTA_EXCEEDED` when there are too many
   */
  async revoke(revocation: NewRevocation): Promise<void> {
    const entry = toEntry(revocation);
    const isFull = this.#entries.size >= REVOCATIONS_MAX && !this.#entries.has(entry.id);
    if (isFull) throw new GatewayError('QUOTA_EXCEEDED');
    await this.#store(entry);
    this.#apply(entry);
    this.#dependencies.bus.publish(TOPIC, entry);
  }

  #find(id: string, now: number): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.endsAt <= now ? undefined : entry;
  }

  #isAllowed(principal: Principal): boolean {
    try {
      this.ensureAllowed(principal);
      return true;
    } catch {
      return false;
    }
  }

  async #poll(): Promise<void> {
    const { model, clock } = this.#dependencies;
    const since = new Date(this.#newestMs - POLL_OVERLAP_MS);
    const changed = model
      .find({ changedAt: { $gte: since } })
      .lean<Revocation>()
      .cursor();
    for await (const found of changed) {
      this.#newestMs = Math.max(this.#newestMs, found.changedAt?.getTime() ?? 0);
      this.#apply(fromDocument(found));
    }
    const now = clock.now();
    for (const { id, endsAt } of this.#entries.values()) if (endsAt <= now) this.#entries.delete(id);
  }

  async #store({ id, endsAt, ...times }: Entry): Promise<void> {
    const dates = Object.entries(times).flatMap(([name, at]) => (at === 0 ? [] : [[name, new Date(at)] as const]));
    const change = {
      $max: { ...Object.fromEntries(dates), purgeAt: new Date(endsAt) },
      $currentDate: { changedAt: true as const },
    };
    const upsert = () => this.#dependencies.model.updateOne({ _id: id }, change, { upsert: true });
    // Of two concurrent upserts one fails with a duplicate key; its second attempt finds the document.
    await upsert().catch((error: unknown) => {
      if (!isDuplicateKey(error)) throw error;
      return upsert();
    });
  }

  #apply(entry: Entry): void {
    const known = this.#entries.get(entry.id);
    const merged = known === undefined ? entry : merge(known, entry);
    if (known !== undefined && isSame(known, merged)) return;
    this.#entries.set(entry.id, merged);
    this.#requestPass();
  }

  #requestPass(): void {
    if (this.#isPassDue) return;
    this.#isPassDue = true;
    this.#dependencies.clock.after(PASS_DELAY_MS, () => this.#disconnectRevoked());
  }

  #disconnectRevoked(): void {
    this.#isPassDue = false;
    for (const socket of [...this.#dependencies.sockets()]) {
      if (this.#isAllowed(socket.data.principal)) continue;
      socket.emit('disconnected', { reason: 'revoked' });
      socket.disconnect();
    }
  }
}

const toUserKey = (userId: string): string => `user:${userId}`;
const toTokenKey = (tokenId: string): string => `token:${tokenId}`;

function toEntry(revocation: NewRevocation): Entry {
  const none = { issuedBefore: 0, blockedUntil: 0 };
  if ('tokenId' in revocation) {
    return { ...none, id: toTokenKey(revocation.tokenId), endsAt: revocation.endsAt ?? NEVER };
  }
  const id = toUserKey(revocation.userId);
  if ('blockedUntil' in revocation) {
    const { blockedUntil } = revocation;
    return { ...none, id, blockedUntil, endsAt: blockedUntil + SKEW_MS };
  }
  return { ...none, id, issuedBefore: revocation.issuedBefore, endsAt: revocation.endsAt ?? NEVER };
}

const fromDocument = ({ _id, issuedBefore, blockedUntil, purgeAt }: Revocation): Entry => ({
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
