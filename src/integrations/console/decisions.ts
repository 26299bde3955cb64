import type { Contract, Route } from '#shared/contracts/contract.js';
import { publishedContracts, type Wire } from '#shared/contracts/index.js';

/**
 * What a session needs for a route. `read`: any session; the call shows something and changes nothing. `act`: a session that
 * may act. `own`: a route of the console itself, whose handler decides.
 */
export type Decision = 'read' | 'act' | 'own';

type Decisions = {
  readonly [C in Wire['contract'] as keyof C['routes'] extends never ? never : C['name']]: {
    readonly [Name in keyof C['routes']]: Decision;
  };
};

/** Every route has a decision: one without does not compile. What the method says is not enough: some GET routes act. */
const decisions: Decisions = {
  'emit-api': {
    emit: 'act',
    emitBatch: 'act',
    broadcast: 'act',
    disconnect: 'act',
    revokeTokens: 'act',
    emitStatus: 'read',
    presence: 'read',
    presences: 'read',
    deliveries: 'read',
  },
  administration: {
    block: 'act',
    unblock: 'act',
    drainNode: 'act',
    forgetDevice: 'act',
    clearDevice: 'act',
    forgetAnyDevice: 'act',
    clearAnyDevice: 'act',
    blockOf: 'read',
    connections: 'read',
    devices: 'read',
    nodes: 'read',
    nodeConnections: 'read',
  },
  cluster: { overview: 'read', history: 'read' },
  'site-status': { sites: 'read' },
  inspection: { users: 'read', user: 'read', messages: 'read', message: 'read', live: 'read' },
  console: { session: 'own', logIn: 'own', logOut: 'own', token: 'act' },
  'lead-finder': { emit: 'act' },
  'push-sites': { send: 'act' },
  prospect: { emitMessage: 'act', emitConversation: 'act' },
  community: { openDirectChat: 'act', sendMessage: 'act', listChats: 'read', listMessages: 'read' },
  support: {
    createConversation: 'act',
    sendMessage: 'act',
    assignConversation: 'act',
    closeConversation: 'act',
    listConversations: 'read',
    listMessages: 'read',
    listDepartments: 'read',
    readFile: 'read',
  },
  operation: {
    status: 'read',
    healthcheck: 'read',
    live: 'read',
    ready: 'read',
    metrics: 'read',
    openApi: 'read',
    asyncApi: 'read',
    docs: 'read',
    tail: 'read',
  },
};

const toPairs = ({ name, routes }: Contract): [Route, Decision | undefined][] => {
  const own: Readonly<Record<string, Decision | undefined>> = decisions[name as keyof Decisions] ?? {};
  return Object.entries(routes).map(([route, declared]) => [declared, own[route]]);
};

const byRoute: ReadonlyMap<Route, Decision | undefined> = new Map(
  publishedContracts.flatMap(({ contract }) => toPairs(contract)),
);

/** The decision about a route; `undefined`: there is none, and no session may call it. */
export const decisionOf = (route: Route): Decision | undefined => byRoute.get(route);
