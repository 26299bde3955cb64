import type { Request } from 'express';
import type { Types } from 'mongoose';
import { chatNamespaces } from '#shared/contracts/namespaces.js';
import type { Principal, UserPrincipal } from '../../../auth/principal.js';
import { type Handshake, readBearer, selectHandshakeCredential } from '../../../auth/token-sources.js';
import type { UserAuth } from '../../../auth/user.js';
import type { AnyonePrincipal } from '../../../auth/verifier.js';
import { GatewayError } from '../../../errors.js';
import type { Proof } from '../../../models/index.js';
import { createLoader } from '../../../platform/concurrency/batcher.js';
import type { Clock } from '../../../platform/time/clock.js';
import { createRecent } from '../../../platform/time/recent.js';
import type { Emitter } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';
import type { People, Person, Relations } from '../../users/index.js';
import { ChatError } from './chat-error.js';

/** The caller of a chat event or call, as stored in the database. */
export type Caller = UserCaller | VisitorCaller;

/** A user of the platform. */
export interface UserCaller extends Person {
  readonly kind: 'user';
}

/** A visitor of the support chat, with access to the conversations of their token only. */
interface VisitorCaller {
  readonly kind: 'visitor';
  readonly id: string;
  readonly name: string;
  readonly conversationIds: readonly string[];
}

/** The user of an event, and others who concern them. */
interface CallerCircle {
  readonly caller: UserCaller;
  /** See `Circle`. */
  readonly proof?: Proof | undefined;
  readonly others: readonly Relations[];
}

/** Authentication of both chats, for sockets and REST. */
export interface Authentication {
  /** @throws ChatError with the sentence of the original system */
  authenticate(handshake: Handshake, address?: string): Promise<AnyonePrincipal>;
  /** The same for a REST call. */
  authenticateRequest(request: Request): Promise<AnyonePrincipal>;
  /**
   * Reads the caller. Called for each event, because a token outlives a block: a locked user is disconnected from all chats.
   * @throws ChatError `INVALID_TOKEN`
   */
  callerOf(principal: Principal): Promise<Caller>;
  /** As `callerOf` of a user, with those of some others who concern them: in one query. See `People.circleOf`. */
  circleOf(
    principal: UserPrincipal,
    others: readonly Types.ObjectId[],
    conditions?: readonly object[],
  ): Promise<CallerCircle>;
  /** As `callerOf`, for users only. @throws ChatError `NOT_FOUND` for a visitor */
  userOf(principal: Principal): Promise<UserCaller>;
  /** As `userOf`, during a connect: the user as `authenticate` has just read it. */
  enteringAs(principal: Principal): Promise<UserCaller>;
}

/** Users in one query when many connect at once. */
const GROUP_MAX = 1000;
/** Time between two such queries: a burst of connects makes few of them. */
const SPACING = { spacingMs: 25, crowdedSpacingMs: 150 };
/** How long refused users are cached, and how many. */
const REFUSED_TTL_MS = 1000;
const REFUSED_MAX = 10_000;

const ACCESS_DENIED = 'Invalid token or user access denied';

interface Dependencies {
  userAuth: UserAuth;
  people: People;
  emitter: Emitter;
  clock: Clock;
}

/** To be created once for both chats: connects on both share queries, and what is known of refused users. */
export function createAuthentication({ userAuth, people, emitter, clock }: Dependencies): Authentication {
  const refused = createRecent({ clock, ttlMs: REFUSED_TTL_MS, max: REFUSED_MAX });
  const look = createLoader<Person>(
    async (ids) => new Map((await people.findMany(ids)).map((person) => [person.id, person])),
    { sizeMax: GROUP_MAX, ...SPACING },
  );
  /** The users of connects that go on, so that they are not read again. */
  const entering = new WeakMap<Principal, Person>();

  /**
   * The user, if they may connect. Concurrent lookups are one query, and refusals are cached for a moment, so valid tokens of
   * blocked users cost the database little, however often they are sent.
   */
  const findEntering = async (userId: string): Promise<Person | undefined> => {
    const id = userId.toLowerCase();
    if (refused.has(id)) return undefined;
    const person = await look(id);
    if (person === undefined) refused.add(id);
    return person;
  };

  const callerOf = async (principal: Principal): Promise<Caller> => {
    if (principal.kind === 'visitor') {
      const { visitorId, conversationIds } = principal;
      return { kind: 'visitor', id: visitorId, name: 'Visitor', conversationIds };
    }
    if (principal.kind !== 'user') throw new ChatError('INVALID_TOKEN', ACCESS_DENIED);
    return toCaller(principal, await people.find(principal.userId));
  };

  const toCaller = ({ userId }: UserPrincipal, person: Person | undefined): UserCaller => {
    if (person === undefined) {
      emitter.disconnect({ namespaces: chatNamespaces, rooms: [rooms.user(userId)] });
      throw new ChatError('INVALID_TOKEN', ACCESS_DENIED);
    }
    return { kind: 'user', ...person };
  };

  const authenticate = async (handshake: Handshake, address?: string): Promise<AnyonePrincipal> => {
    const preferred = preferOwnSources(handshake);
    const credential = selectHandshakeCredential(preferred);
    if (credential === undefined || ('token' in credential && credential.token === '')) {
      throw new ChatError('INVALID_TOKEN', 'Authentication token required');
    }
    const principal = await userAuth.anyoneAtHandshake(preferred, address);
    if (principal.kind === 'user') {
      const person = await findEntering(principal.userId);
      if (person === undefined) throw new ChatError('INVALID_TOKEN', ACCESS_DENIED);
      entering.set(principal, person);
    }
    return principal;
  };

  const userOf = async (principal: Principal): Promise<UserCaller> => {
    const caller = await callerOf(principal);
    if (caller.kind !== 'user') throw new GatewayError('NOT_FOUND');
    return caller;
  };

  return {
    authenticate,
    authenticateRequest: ({ headers }) => authenticate({ auth: {}, query: {}, headers }),
    callerOf,
    userOf,
    async circleOf(principal, among, conditions) {
      const { person, proof, others } = await people.circleOf(principal.userId, among, conditions);
      return { caller: toCaller(principal, person), proof, others };
    },
    async enteringAs(principal) {
      const person = entering.get(principal);
      entering.delete(principal);
      return person === undefined ? userOf(principal) : { kind: 'user', ...person };
    },
  };
}

/**
 * The chats prefer `auth.token`, then a bearer token, and then the sources of the other namespaces. An empty `auth.token` counts
 * as absent where there is a bearer token, as in the original system.
 */
function preferOwnSources(handshake: Handshake): Handshake {
  const token = handshake.auth['token'] || readBearer(handshake.headers.authorization);
  return token === undefined ? handshake : { ...handshake, auth: { token } };
}
