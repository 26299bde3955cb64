import type { ClientEvent, Contract, Route } from '#shared/contracts/contract.js';
import { configuredNamespaces, publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { createRandom } from '../support/random.js';

/** Connecting to a namespace. */
export interface Connect {
  readonly kind: 'connect';
  readonly key: string;
  readonly namespace: string;
}

/** A client event on one namespace. */
export interface EventOperation {
  readonly kind: 'event';
  readonly key: string;
  readonly contract: Contract;
  readonly namespace: string;
  readonly name: string;
  readonly event: ClientEvent;
}

/** A REST route. */
export interface RouteOperation {
  readonly kind: 'route';
  readonly key: string;
  readonly contract: Contract;
  readonly name: string;
  readonly route: Route;
}

export type Operation = Connect | EventOperation | RouteOperation;

/** Everything that the contracts let a client ask of the gateway. */
export const operations: readonly Operation[] = [
  ...Object.keys({ ...publishedNamespaces, ...configuredNamespaces }).map(
    (namespace): Connect => ({ kind: 'connect', key: `connect ${namespace}`, namespace }),
  ),
  ...publishedContracts.flatMap(({ contract, namespaces }) => [
    ...namespaces.flatMap((namespace) => eventsOf(contract, namespace)),
    ...routesOf(contract),
  ]),
];

/** One connect, and one event or route of each contract, chosen by the seed. */
export function chooseOperations(seed: number): Operation[] {
  const random = createRandom(seed);
  const groups = new Map<string, Operation[]>();
  for (const one of operations) groups.set(groupOf(one), [...(groups.get(groupOf(one)) ?? []), one]);
  return [...groups.values()].map((group) => random.pick(group));
}

const groupOf = (operation: Operation): string => (operation.kind === 'connect' ? 'connect' : operation.contract.name);

function eventsOf(contract: Contract, namespace: string): EventOperation[] {
  return Object.entries(contract.clientEvents).map(([name, event]) => ({
    kind: 'event',
    contract,
    namespace,
    name,
    event,
    key: `${namespace} ${name}`,
  }));
}

function routesOf(contract: Contract): RouteOperation[] {
  return Object.entries<Route>(contract.routes).map(([name, route]) => ({
    kind: 'route',
    contract,
    name,
    route,
    key: `${route.method.toUpperCase()} ${route.path}`,
  }));
}
