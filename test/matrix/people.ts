import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { signToken } from '../support/gateway.js';
import type { Kind } from './kinds.js';

/** A caller: who they are in the database, and their token. */
export interface Actor {
  readonly id: string;
  readonly accountId: string;
  /** The claims of the token; `undefined`: it is no JWT. */
  readonly claims?: Record<string, unknown>;
  readonly token: string | undefined;
}

/** All users of the matrix. */
export interface People {
  /** The user to whom everything belongs. */
  readonly owner: Actor;
  /** Sends the messages that every witness hears. */
  readonly ringer: Actor;
  /** A colleague of the owner who takes part in nothing. */
  readonly bystander: Actor;
  /** An agent of another department, and of the account of the owner. */
  readonly otherAgent: Actor;
  /** A user of a third account, who shares nothing with the others. */
  readonly stranger: Actor;
  readonly actors: Readonly<Record<Kind, Actor>>;
}

/** The id of the token that the scene revokes. */
export const REVOKED_TOKEN_ID = 'revoked';

/** The fields of a user by which the platform locks them. */
const LOCKS = { locked: { status: 'blocked' }, deactivated: { isActive: false } } as const;

/** Whether callers of a kind are locked while they act. */
export const isLocked = (kind: Kind): kind is keyof typeof LOCKS => kind in LOCKS;

/** Unix time in seconds. The clock of the matrix runs fast, so tokens are valid for long. */
const FAR = Math.round(Date.now() / 1000) + 365 * 24 * 3600;
const PAST = Math.round(Date.now() / 1000) - 3600;

const toActor = (id: string, accountId: string, claims: Record<string, unknown>): Actor => {
  const all = { account_id: accountId, exp: FAR, ...claims };
  return { id, accountId, claims: all, token: signToken(all) };
};

interface Options {
  /** The conversation of the visitor. */
  readonly visitedId: string;
  /** The token of a reader of another push site. */
  readonly siteToken: string;
}

/** Stores the users of the matrix. */
export async function addPeople(models: Models, { visitedId, siteToken }: Options): Promise<People> {
  const [account, others, third] = [new Types.ObjectId(), new Types.ObjectId(), new Types.ObjectId()];
  const add = async (name: string, accountId: Types.ObjectId, fields: object = {}): Promise<Actor> => {
    const _id = new Types.ObjectId();
    await models.User.create({ _id, account: accountId, name, ...fields });
    return toActor(String(_id), String(accountId), { uid: String(_id) });
  };
  const member = { joinedGroups: [{ groupType: 'single', joinedAt: new Date() }] };
  const agent = { ...member, role: 'agent' };
  const control = await add('Member', account, agent);
  const noScope = await add('No Scope', account, agent);
  const withClaims = ({ id, accountId }: Actor, claims: object): Actor =>
    toActor(id, accountId, { uid: id, ...claims });
  const visit = { type: 'visitor', visitor_id: 'visitor-1', conversation_ids: [visitedId] };
  return {
    owner: await add('Owner', account, member),
    ringer: await add('Ringer', account),
    bystander: await add('Bystander', account),
    otherAgent: await add('Other Agent', account, { role: 'agent' }),
    stranger: await add('Stranger', third),
    actors: {
      member: control,
      otherAccount: await add('Other Account', others, { role: 'agent' }),
      removed: await add('Removed', account),
      unprivileged: await add('Unprivileged', account),
      otherDepartment: await add('Other Department', account, { role: 'agent' }),
      blockedByPeer: await add('Blocked Peer', account, member),
      blockingPeer: await add('Blocking Peer', account, member),
      locked: await add('Locked', account, agent),
      deactivated: await add('Deactivated', account, agent),
      visitor: toActor('visitor-1', String(account), { uid: undefined, scope: undefined, ...visit }),
      noScope: withClaims(noScope, { scope: undefined }),
      expired: withClaims(control, { exp: PAST }),
      revoked: withClaims(control, { jti: REVOKED_TOKEN_ID }),
      otherSite: { id: 'reader-2', accountId: '', token: siteToken },
      anonymous: { id: '', accountId: '', token: undefined },
    },
  };
}

/** Runs `work` while the platform has locked a caller, if callers of the kind are locked. */
export async function whileLocked<T>(
  models: Models,
  { kind, actor }: { kind: Kind; actor: Actor },
  work: () => Promise<T>,
): Promise<T> {
  if (!isLocked(kind)) return work();
  const fields = LOCKS[kind];
  await models.User.updateOne({ _id: actor.id }, { $set: fields }, { timestamps: false });
  try {
    return await work();
  } finally {
    const unset = Object.fromEntries(Object.keys(fields).map((field) => [field, '']));
    await models.User.updateOne({ _id: actor.id }, { $unset: unset }, { timestamps: false });
  }
}
