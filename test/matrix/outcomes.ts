import { byKind, type Kind, kinds, type Outcome, type Outcomes, type RowOutcomes } from './kinds.js';
import type { Operation } from './operations.js';
import { isLocked } from './people.js';
import { rowOf } from './rows/index.js';

/** Callers without a valid token of a user. */
const withoutToken = {
  expired: 'INVALID_TOKEN',
  revoked: 'INVALID_TOKEN',
  otherSite: 'INVALID_TOKEN',
  anonymous: 'INVALID_TOKEN',
} as const satisfies RowOutcomes;

/** The outcome of all kinds but the control, which is allowed, and but the exceptions. */
const everyone = (outcome: Outcome, exceptions: RowOutcomes = {}): Outcomes => {
  const all = kinds.map((kind): [Kind, Outcome] => [kind, kind === 'member' ? 'allowed' : outcome]);
  return { ...(Object.fromEntries(all) as Outcomes), ...byKind(exceptions) };
};

/** Namespaces that authenticate by token and require a scope. */
const scopedConnect = everyone('allowed', {
  locked: 'FORBIDDEN',
  deactivated: 'FORBIDDEN',
  visitor: 'INVALID_TOKEN',
  noScope: 'NOT_ENOUGH_SCOPE',
  ...withoutToken,
});

/** Who may connect to which namespace. */
export const connectOutcomes: Readonly<Record<string, Outcomes>> = {
  '/v1/conversation': scopedConnect,
  '/v1/conversation/live': scopedConnect,
  '/v1/shared': scopedConnect,
  '/v1/lead-finder': everyone('allowed'),
  '/': everyone('allowed', { locked: 'INVALID_TOKEN', deactivated: 'INVALID_TOKEN', ...withoutToken }),
  '/department': everyone('FORBIDDEN', {
    noScope: 'allowed',
    locked: 'INVALID_TOKEN',
    deactivated: 'INVALID_TOKEN',
    ...withoutToken,
  }),
  '/{site}': everyone('INVALID_TOKEN'),
};

/** Events of the namespaces that require a scope. Their sockets are closed when a user is locked. */
const scopedEvents = everyone('NOT_FOUND', {
  peers: 'unheard',
  locked: 'FORBIDDEN',
  deactivated: 'FORBIDDEN',
  visitor: 'INVALID_TOKEN',
  noScope: 'NOT_ENOUGH_SCOPE',
  ...withoutToken,
});

/** Events and routes of the chats. They read the user for each call. */
const chatCalls = everyone('NOT_FOUND', {
  peers: 'unheard',
  locked: 'INVALID_TOKEN',
  deactivated: 'INVALID_TOKEN',
  noScope: 'allowed',
  ...withoutToken,
});

const routeCalls = {
  backend: everyone('INVALID_API_KEY'),
  site: everyone('INVALID_API_KEY'),
  user: chatCalls,
  console: everyone('INVALID_API_KEY'),
  anyone: everyone('allowed'),
} as const;

function defaultsOf(operation: Operation): Outcomes {
  switch (operation.kind) {
    case 'connect':
      return connectOutcomes[operation.namespace] ?? everyone('INVALID_TOKEN');
    case 'route':
      return routeCalls[operation.route.caller ?? 'backend'];
    default:
      if (operation.namespace === '/v1/lead-finder') return everyone('own');
      return operation.namespace.startsWith('/v1/') ? scopedEvents : chatCalls;
  }
}

/** Whether a caller is refused at connect, so that none of their events is handled. */
export function isRefusedAtConnect(namespace: string, kind: Kind): boolean {
  // A user of the chats is locked while connected: each event must notice.
  if (isLocked(kind) && !namespace.startsWith('/v1/')) return false;
  return connectOutcomes[namespace]?.[kind] !== 'allowed';
}

/** What must happen when a kind of caller does something. */
export function outcomeOf(operation: Operation, kind: Kind): Outcome {
  if (operation.kind === 'event' && isRefusedAtConnect(operation.namespace, kind)) {
    return connectOutcomes[operation.namespace]?.[kind] ?? 'INVALID_TOKEN';
  }
  return { ...defaultsOf(operation), ...byKind(rowOf(operation)?.outcomes ?? {}) }[kind];
}
