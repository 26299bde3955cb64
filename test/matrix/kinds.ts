import type { ErrorCode } from '#shared/contracts/errors.js';
import type { Random } from '../support/random.js';
import type { Witness } from './witnesses.js';

/** The callers of the matrix. `member` is the control: it may do everything that is asked for. */
export const kinds = [
  'member',
  /** A user of another account. */
  'otherAccount',
  /** A user of the same account who was removed from every chat, conversation, group and department. */
  'removed',
  /** A user of the same account without a role, group or department. */
  'unprivileged',
  /** An agent of the same account who is a member of another department. */
  'otherDepartment',
  /** A user whom the only other participant has blocked (`blockedUsers`). */
  'blockedByPeer',
  /** A user who has blocked the only other participant. */
  'blockingPeer',
  /** A member whom the platform has blocked. */
  'locked',
  /** A member who was deactivated. */
  'deactivated',
  /** A visitor of another conversation. */
  'visitor',
  /** A member whose token has no scope. */
  'noScope',
  /** A member whose token has expired. */
  'expired',
  /** A member whose token was revoked. */
  'revoked',
  /** Another push site: its API key and the token of one of its readers. */
  'otherSite',
  /** No token and no API key. */
  'anonymous',
] as const;

export type Kind = (typeof kinds)[number];

/** Kinds for which the same must happen, unless a row names one of them. */
export const groups = {
  /** Users of the same account who take part in nothing. */
  colleagues: ['removed', 'unprivileged', 'otherDepartment'],
  /** The other participant of two, with a block between them. */
  peers: ['blockedByPeer', 'blockingPeer'],
} as const satisfies Readonly<Record<string, readonly Kind[]>>;

/** One kind of each group, and all kinds without a group. */
export function chooseKinds({ pick }: Pick<Random, 'pick'>): Kind[] {
  const grouped: readonly Kind[] = Object.values(groups).flat();
  const chosen: readonly Kind[] = Object.values(groups).map((some) => pick<Kind>(some));
  return kinds.filter((kind) => !grouped.includes(kind) || chosen.includes(kind));
}

/**
 * What must happen:
 * - an error code: the call is refused with it, nothing is stored, and no witness hears anything
 * - `own`: the call succeeds, shows and changes only what is the caller's own, and no witness hears anything
 * - `unheard`: the call succeeds, and the owner hears nothing
 * - `told`: the call succeeds, and the witnesses of `heardBy` may hear it
 * - `allowed`: the same, as for the control
 *
 * Every other witness must hear nothing in any case.
 */
export type Outcome = ErrorCode | 'own' | 'unheard' | 'told' | 'allowed';

export type Outcomes = Readonly<Record<Kind, Outcome>>;

/** Outcomes of kinds and of groups. That of a kind precedes that of its group. */
export type RowOutcomes = Readonly<Partial<Record<Kind | keyof typeof groups, Outcome>>>;

/** The outcomes by kind. */
export function byKind(outcomes: RowOutcomes): Partial<Outcomes> {
  const ofGroups = Object.entries(groups).flatMap(([name, some]) => {
    const outcome = outcomes[name as keyof typeof groups];
    return outcome === undefined ? [] : some.map((kind) => [kind, outcome] as const);
  });
  const own = Object.entries(outcomes).filter(([name]) => !(name in groups));
  return Object.fromEntries([...ofGroups, ...own]);
}

/** The ids that a call may use. Each kind of caller gets its own. */
export interface Ids {
  /** The caller. */
  readonly self: string;
  /** A token for `refresh_token`: the control gets its own, other kinds get one of the owner. */
  readonly renewal: string;
  /** The user to whom everything belongs. */
  readonly owner: string;
  /** An agent who can be assigned to conversations. */
  readonly agent: string;
  readonly accountId: string;
  readonly departmentId: string;
  readonly contactId: string;
  readonly scraperId: string;
  /** A durable message to the owner. */
  readonly emitId: string;
  /** The name of a push site. */
  readonly site: string;
  readonly notificationId: string;
  readonly support: ChatIds & { readonly fileId: string };
  readonly chat: ChatIds;
  readonly team: ChatIds;
  readonly prospect: ChatIds;
}

/** A conversation or chat. */
export interface ChatIds {
  readonly id: string;
  /** A message of the owner. */
  readonly messageId: string;
  /** A message of the caller, if they were ever a participant; otherwise of the owner. */
  readonly ownMessageId: string;
}

/** Where an operation differs from the defaults of its namespace or route (`outcomes.ts`). */
export interface Row {
  readonly outcomes?: RowOutcomes;
  /** The witnesses who may hear a call that succeeds; the owner when absent. */
  readonly heardBy?: readonly Witness['who'][];
  /** What an answer with the outcome `own` must not contain; everything of the owner when absent. */
  readonly secrets?: (ids: Ids) => readonly string[];
}

/** How a client event is sent. */
export interface EventRow extends Row {
  readonly args: (ids: Ids) => readonly unknown[];
}

/** How a route is called. */
export interface RouteRow extends Row {
  readonly request?: (ids: Ids) => RouteRequest;
}

interface RouteRequest {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The rows of one contract. Each of its events and routes needs one; otherwise this does not compile. */
export interface ContractRows<C extends { clientEvents: object; routes: object }> {
  readonly events: { readonly [Name in keyof C['clientEvents']]: EventRow };
  readonly routes: { readonly [Name in keyof C['routes']]: RouteRow };
}
