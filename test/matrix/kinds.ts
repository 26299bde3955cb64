import type { ErrorCode } from '#shared/contracts/errors.js';
import type { Witness } from './witnesses.js';

/** The callers of the matrix. `member` is the control: it may do everything that is asked for. */
export const kinds = [
  'member',
  /** A user of another account. */
  'otherAccount',
  /** A user of the same account who was removed from every chat, conversation, group and department. */
  'removed',
  /** A user whom the only other participant has blocked (`blockedUsers`). */
  'blockedByPeer',
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
  readonly outcomes?: Partial<Outcomes>;
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

export interface RouteRequest {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The rows of one contract. Each of its events and routes needs one; otherwise this does not compile. */
export interface ContractRows<C extends { clientEvents: object; routes: object }> {
  readonly events: { readonly [Name in keyof C['clientEvents']]: EventRow };
  readonly routes: { readonly [Name in keyof C['routes']]: RouteRow };
}
