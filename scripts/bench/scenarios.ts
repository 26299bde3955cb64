import type { ContestantName } from './contestants.js';
import type { Comparison } from './results.js';
import type { LoadOrder, Target } from './wire.js';

/** A load that is applied to several servers alternately. */
export interface Scenario {
  readonly name: string;
  readonly unit: string;
  /** Clients connected to each server. */
  readonly clients: number;
  readonly lines: readonly ScenarioLine[];
  readonly comparisons: readonly Comparison[];
}

/** The load on one server, and its label in the result. */
export interface ScenarioLine {
  readonly label: string;
  readonly contestant: ContestantName;
  order(target: Target): LoadOrder;
}

/** Emit targets, used in rotation, each with one connection. */
const USERS = 100;
const SINGLES = 1500;
const BATCHES = 40;
const ITEMS = 100;
const CONNECTIONS = 250;
/** Per round, independent of the number of clients. */
const DELIVERIES = 24_000;

const emit = (inFlight: number) => (target: Target) => ({ kind: 'emit', target, requests: SINGLES, inFlight }) as const;
const emitBatch = (target: Target) =>
  ({ kind: 'emitBatch', target, requests: BATCHES, itemsPerRequest: ITEMS }) as const;
const connect = (target: Target) => ({ kind: 'connect', target, count: CONNECTIONS, inFlight: 32 }) as const;

/** All scenarios measured by CPU time of the server. The bounds are those that the gateway guarantees. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'connect with a JWT',
    unit: 'µs CPU per connection',
    clients: 0,
    lines: (['gateway', 'Socket.IO', 'ws'] as const).map((name) => ({ label: name, contestant: name, order: connect })),
    comparisons: [
      { of: 'gateway', against: 'Socket.IO', bound: 1.2 },
      { of: 'gateway', against: 'ws' },
    ],
  },
  emitScenario(1),
  emitScenario(32, 1.15),
  {
    name: `POST /emit with ${ITEMS} items`,
    unit: 'µs CPU per item',
    clients: USERS,
    lines: [
      { label: 'in a batch', contestant: 'gateway', order: emitBatch },
      { label: 'one by one', contestant: 'gateway', order: emit(32) },
    ],
    comparisons: [{ of: 'in a batch', against: 'one by one', bound: 0.15 }],
  },
  fanOutScenario(500),
  fanOutScenario(2000),
];

function emitScenario(inFlight: number, bound?: number): Scenario {
  return {
    name: `POST /emit/:userId/:event, ${inFlight} in flight`,
    unit: 'µs CPU per request',
    clients: USERS,
    lines: (['gateway', 'Socket.IO'] as const).map((name) => ({
      label: name,
      contestant: name,
      order: emit(inFlight),
    })),
    comparisons: [{ of: 'gateway', against: 'Socket.IO', ...(bound === undefined ? {} : { bound }) }],
  };
}

function fanOutScenario(clients: number): Scenario {
  const order = (target: Target) => ({ kind: 'fanOut', target, requests: DELIVERIES / clients }) as const;
  return {
    name: `POST /broadcast/:event to ${clients} clients`,
    unit: 'µs CPU per delivery',
    clients,
    lines: (['gateway', 'Socket.IO', 'ws'] as const).map((name) => ({ label: name, contestant: name, order })),
    comparisons: [
      { of: 'gateway', against: 'Socket.IO', bound: 1.05 },
      { of: 'gateway', against: 'ws', bound: 1.25 },
    ],
  };
}
