import type { Model } from 'mongoose';
import type { Revocation } from '#shared/models/revocation.js';
import { invalidToken } from '../auth/invalid-token.js';
import type { Principal } from '../auth/principal.js';
import type { TokenSecrets } from '../auth/token-secrets.js';
import { GatewayError } from '../errors.js';
import { readStored } from '../models/index.js';
import type { Logger } from '../platform/logging/logger.js';
import { isDuplicateKey } from '../platform/mongo/duplicate-key.js';
import type { Clock } from '../platform/time/clock.js';
import { startPolling } from '../platform/time/poller.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import { type Bus, ofForm } from './bus.js';
import {
  type Change,
  type Entry,
  entryForm,
  fromDocument,
  isSame,
  merge,
  type NewRevocation,
  toBlock,
  toChange,
  toTokenKey,
  toUnblock,
  toUserKey,
} from './revocation-entry.js';

/** Revocations in memory, about 150 bytes each. */
const REVOCATIONS_MAX = 100_000;
/** How often a node polls for changes. A lost message of the bus delays a revocation by no more than this. */
const POLL_INTERVAL_MS = 5_000;
/** Writes become visible in another order than their dates, so each poll overlaps the one before by this much. */
const POLL_OVERLAP_MS = 10_000;
/** Changes within this time are applied to open sockets in one pass. */
const PASS_DELAY_MS = 100;
/** How far ahead the clock of an issuer may be. */
const SKEW_MS = 60_000;
const TOPIC = 'revocations';

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

/**
 * Refuses what was accepted before: revoked tokens, tokens of secrets that were removed, and blocked users. All revocations are
 * kept in memory, so that a connect does not wait for the database. The database is the source of truth; the bus distributes
 * changes at once, and a poll finds those that the bus has lost.
 */
export class Revocations {
  /** Disconnects a socket whose token was revoked during the connect. */
  readonly listener: Pick<SocketListener, 'connected'> = {
    connected: ({ data }) => void (this.#refusalOf(data.principal) && this.#requestPass()),
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
    bus.subscribe(
      TOPIC,
      ofForm(entryForm, (entry) => this.#apply(entry)),
    );
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
    // Milliseconds in place of seconds, for example: such a token counts as without the time.
    const knownAt = issuedAt <= now + SKEW_MS ? issuedAt : 0;
    if (knownAt < entry.issuedBefore) throw invalidToken('the tokens of the user were revoked');
  }

  /** Closes the connections of tokens that are not accepted any more. */
  recheck(): void {
    this.#requestPass();
  }

  /**
   * Stores a revocation, then applies it on every node.
   * @throws GatewayError `QUOTA_EXCEEDED` when there are too many
   */
  revoke(revocation: NewRevocation): Promise<void> {
    return this.#revoke(toChange(revocation));
  }

  /** As {@link revoke}: blocks a user until a time, instead of any block before. @param until Unix time in milliseconds */
  block(userId: string, until: number): Promise<void> {
    return this.#revoke(toBlock(userId, until));
  }

  /** Ends the block of a user on every node. @returns whether a block was stored, also when this node has not heard of it */
  async unblock(userId: string): Promise<boolean> {
    const entry = await this.#store(toUnblock(userId, this.#dependencies.clock.now()), { upsert: false });
    if (entry !== null) this.#announce(entry);
    return entry !== null;
  }

  /**
   * Read from the database: a call may reach another node than the call before it, earlier than the bus does.
   * @returns Unix time in milliseconds at which the block of a user ends; `undefined`: there is none
   */
  async blockedUntil(userId: string): Promise<number | undefined> {
    const { model, clock } = this.#dependencies;
    const stored = await model.findOne({ _id: toUserKey(userId) }).lean<Revocation | null>();
    const until = stored === null ? 0 : fromDocument(stored).blockedUntil;
    return until > clock.now() ? until : undefined;
  }

  #find(id: string, now: number): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.endsAt <= now ? undefined : entry;
  }

  async #poll(): Promise<void> {
    const { model, clock } = this.#dependencies;
    const since = new Date(this.#newestMs - POLL_OVERLAP_MS);
    const changed = model
      .find({ changedAt: { $gte: since } })
      .lean<Revocation>()
      .cursor();
    for await (const stored of changed) {
      const found = readStored(model, stored);
      const changedMs = found.changedAt?.getTime() ?? 0;
      // One that was stored by hand with a time to come would hide all changes until then.
      if (changedMs <= clock.now() + SKEW_MS) this.#newestMs = Math.max(this.#newestMs, changedMs);
      this.#apply(fromDocument(found));
    }
    const now = clock.now();
    for (const { id, endsAt } of this.#entries.values()) if (endsAt <= now) this.#entries.delete(id);
  }

  /** @returns what is stored by then; `null`: nothing met the condition, and nothing was to be created */
  async #store({ id, condition, update }: Change, { upsert }: { upsert: boolean }): Promise<Entry | null> {
    const { model } = this.#dependencies;
    const write = () =>
      model
        .findOneAndUpdate({ _id: id, ...condition }, update, { upsert, returnDocument: 'after' })
        .lean<Revocation | null>();
    // Of two concurrent upserts one fails with a duplicate key; its second attempt finds the document.
    const stored = await write().catch(async (error: unknown) => {
      if (!isDuplicateKey(error) && !(await this.#repairVersion(id))) throw error;
      return write();
    });
    return stored === null ? null : fromDocument(stored);
  }

  /** @returns whether something that cannot be counted on was in the place of the version */
  async #repairVersion(id: string): Promise<boolean> {
    const isOdd = { $exists: true, $not: { $type: 'number' } };
    // By the driver: Mongoose would convert the filter.
    const { modifiedCount } = await this.#dependencies.model.collection.updateOne(
      { _id: id as never, blockVersion: isOdd },
      { $set: { blockVersion: 0 } },
    );
    return modifiedCount > 0;
  }

  /** Applies a stored entry here, then on the other nodes. */
  #announce(entry: Entry): void {
    this.#apply(entry);
    this.#dependencies.bus.publish(TOPIC, entry);
  }

  /** @throws GatewayError `QUOTA_EXCEEDED` */
  async #revoke(change: Change): Promise<void> {
    const isFull = this.#entries.size >= REVOCATIONS_MAX && !this.#entries.has(change.id);
    if (isFull) throw new GatewayError('QUOTA_EXCEEDED');
    const entry = await this.#store(change, { upsert: true });
    if (entry !== null) this.#announce(entry);
  }

  #apply(entry: Entry): void {
    // The version of a block restarts when its document was purged.
    const known = this.#find(entry.id, this.#dependencies.clock.now());
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
      const reason = this.#refusalOf(socket.data.principal);
      if (reason === undefined) continue;
      socket.emit('disconnected', { reason });
      socket.disconnect();
    }
  }

  #refusalOf(principal: Principal): 'blocked' | 'revoked' | undefined {
    try {
      this.ensureAllowed(principal);
      return undefined;
    } catch (error) {
      return error instanceof GatewayError && error.code === 'FORBIDDEN' ? 'blocked' : 'revoked';
    }
  }
}
