import type { ContestantName } from './contestants.js';
import { type Asked, CHATS, CONVERSATIONS, type LoadOrder, type Target } from './wire.js';

/** A load that is applied to several servers in turns. */
export interface Scenario {
  /** `npm run bench -- <name>` runs it alone. */
  readonly name: string;
  readonly contestants: readonly ContestantName[];
  /** Also measured with two nodes over Redis. */
  readonly isForTwoNodes: boolean;
  /** Rounds for each node in which the servers' code is compiled; 3 by default. Of several nodes each serves a part of a round. */
  readonly warmUpRounds?: number;
  /** Before the first round. */
  readonly begin: readonly Order[];
  /** Each round. */
  readonly steps: readonly Step[];
}

type Order = (target: Target) => LoadOrder;

/** A part of a round. Without a row it only prepares the next one. */
export interface Step {
  readonly order: Order;
  readonly row?: Row;
}

/** A row of the table. */
export interface Row {
  readonly name: string;
  /** Absent: milliseconds of CPU time for each operation. */
  readonly unit?: 'ms until all is done' | 'ms CPU each second';
  readonly bounds?: readonly Bound[];
}

/** What a figure of the gateway must not exceed. */
export interface Bound {
  readonly most: number;
  /** The figure is divided by that of another server, or by another row of the gateway. Absent: it is taken as it is. */
  readonly against?: ContestantName | { readonly row: string };
  /** Operations a second that must be reached. */
  readonly perSecond?: number;
  /** Of two nodes only a ratio to one node is bounded. */
  readonly isForOneNode?: true;
}

const SOCKET_IO: readonly ContestantName[] = ['gateway', 'against', 'Socket.IO'];
const ALL: readonly ContestantName[] = [...SOCKET_IO, 'ws', 'Centrifugo'];
const GATEWAYS: readonly ContestantName[] = ['gateway', 'against', 'Centrifugo'];
const WITHOUT_WS = ALL.filter((name) => name !== 'ws');

/** Emit targets, used in rotation, each with one connection. */
const USERS = 100;
const CONNECTIONS = 300;
/** Clients that connect at the same time. */
const TOGETHER = 100;
const RETURNING = 1000;
const MISSED = 10;
/** Per round, independent of the number of clients. */
const DELIVERIES = 24_000;

const close: Step = { order: (target) => ({ kind: 'close', target }) };
const connect =
  (count: number, namespace?: string): Order =>
  (target) => ({
    kind: 'connect',
    target,
    count,
    inFlight: TOGETHER,
    ...(namespace === undefined ? {} : { namespace }),
  });

const connecting = (name: string, namespace?: string): Scenario => ({
  name,
  isForTwoNodes: true,
  begin: [],
  // Few calls of much code: until the seventh round a connect became cheaper.
  warmUpRounds: 8,
  contestants: [...(namespace === undefined ? ALL : SOCKET_IO), 'Socket.IO with key'],
  steps: [
    {
      order: connect(CONNECTIONS, namespace),
      row: { name: `${name}, a real user`, bounds: [{ most: 1.3, against: 'Socket.IO' }] },
    },
    { ...close, row: { name: `leave after ${name}` } },
  ],
});

const emitting = (inFlight: number): Scenario => ({
  name: `emit ${inFlight}`,
  contestants: WITHOUT_WS,
  isForTwoNodes: true,
  begin: [connect(USERS)],
  steps: [
    {
      order: (target) => ({ kind: 'emit', target, requests: 1500, inFlight }),
      row: { name: `emit, ${inFlight} in flight`, bounds: [{ most: 0.9, against: 'Socket.IO' }] },
    },
  ],
});

const batch: Scenario = {
  name: 'batch',
  contestants: GATEWAYS,
  isForTwoNodes: true,
  begin: [connect(USERS)],
  steps: [
    {
      order: (target) => ({ kind: 'emit', target, requests: 1500, inFlight: 32 }),
      row: { name: 'emit, one by one' },
    },
    {
      order: (target) => ({ kind: 'emitBatch', target, requests: 40, itemsPerRequest: 100 }),
      row: { name: 'an item of a batch of 100', bounds: [{ most: 0.1, against: { row: 'emit, one by one' } }] },
    },
  ],
};

const fanningOut = (clients: number): Scenario => ({
  name: `fan-out ${clients}`,
  contestants: ALL,
  isForTwoNodes: false,
  begin: [connect(clients)],
  steps: [
    {
      order: (target) => ({ kind: 'fanOut', target, requests: DELIVERIES / clients }),
      row: {
        name: `fan-out to ${clients}, for each`,
        bounds: [
          { most: 1, against: 'Socket.IO' },
          { most: 1.2, against: 'ws' },
        ],
      },
    },
  ],
});

const durable = (inFlight: number, users: number, bound: Bound): Scenario => ({
  name: `durable ${inFlight} ${users}`,
  isForTwoNodes: true,
  begin: [connect(USERS)],
  contestants: [...GATEWAYS, 'one node'],
  // Until a node has stored some 20,000 messages each one becomes cheaper.
  warmUpRounds: 10,
  steps: [
    {
      order: (target) => ({
        kind: 'emit',
        target,
        requests: inFlight === 1 ? 1000 : 2000,
        inFlight,
        isDurable: true,
        users,
      }),
      row: {
        name: `durable, ${inFlight} in flight, ${users === 1 ? 'one user' : `${users} users`}`,
        bounds: [
          { ...bound, isForOneNode: true },
          { most: 1.5, against: 'one node' },
        ],
      },
    },
  ],
});

const comingBack: Scenario = {
  name: 'come back',
  contestants: GATEWAYS,
  isForTwoNodes: true,
  begin: [connect(RETURNING), close.order],
  steps: [
    { order: (target) => ({ kind: 'store', target, users: RETURNING, messagesEach: MISSED }) },
    {
      order: (target) => ({ kind: 'comeBack', target, count: RETURNING, inFlight: RETURNING, messagesEach: MISSED }),
      row: { name: `${RETURNING} come back, ${MISSED} missed`, bounds: [{ most: 2, perSecond: RETURNING / 2 }] },
    },
    close,
  ],
};

/** Callers, in circles of ten. */
const CALLERS = 100;
/** So many that none reaches the limit of messages in the community chat. */
const CHATTERS = 300;

/** Each of its kinds of request one after another, and 32 at the same time. */
const asking = (what: Asked, { most, perSecond, requests = 300, callers = CALLERS }: Asking): Scenario => ({
  name: what,
  contestants: ['gateway', 'against'],
  isForTwoNodes: true,
  begin: [
    (target) => ({ kind: 'enter', target, namespace: NAMESPACES[what] ?? CONVERSATIONS, count: callers }),
    // What is done once for each user or conversation.
    (target) => ({ kind: 'ask', target, what, requests: callers, inFlight: 10 }),
  ],
  steps: [1, 32].map((inFlight) => ({
    order: (target) => ({ kind: 'ask', target, what, requests, inFlight }),
    row: {
      name: `${what}, ${inFlight} in flight`,
      bounds: most === undefined ? [] : [{ most, ...(inFlight === 1 && perSecond !== undefined && { perSecond }) }],
    },
  })),
});

interface Asking {
  readonly most?: number;
  readonly perSecond?: number;
  readonly requests?: number;
  readonly callers?: number;
}

const NAMESPACES: Partial<Record<Asked, string>> = { 'support message': CHATS, 'community message': CHATS };

/** All scenarios. The bounds are those that the gateway guarantees. */
export const scenarios: readonly Scenario[] = [
  connecting('connect'),
  connecting('connect to chats', CHATS),
  emitting(1),
  emitting(32),
  batch,
  fanningOut(500),
  fanningOut(2000),
  durable(1, 1, { most: 1.2, perSecond: 915 }),
  durable(32, 1, { most: 0.4, perSecond: 2256 }),
  durable(32, 100, { most: 0.4, perSecond: 2256 }),
  comingBack,
  asking('conversation message', { most: 3, perSecond: 400 }),
  asking('support message', { most: 1.5, callers: CHATTERS }),
  asking('community message', { most: 1.5, callers: CHATTERS }),
  asking('add_conversation', { requests: 30 }),
  asking('channel', { requests: 100 }),
  asking('list_conversation', { requests: 100 }),
];

/** Idle connections. All servers hold theirs at the same time, unlike in a {@link Scenario}. */
export const idle = { name: 'idle', contestants: ALL } as const;
