import type { Contract } from '#shared/contracts/contract.js';
import { connectOutcomes } from './outcomes.js';
import { type Rows, rowsByContract } from './rows/index.js';

/**
 * Compares the matrix with what is published.
 * @returns one sentence for each row that is missing or superfluous; it says what to change, and where
 */
export function compareRows(contracts: readonly Contract[], namespaces: readonly string[]): string[] {
  const known = new Map(contracts.map((contract) => [contract.name, contract]));
  return [
    ...namespaces.filter((name) => !(name in connectOutcomes)).map(describeMissingConnect),
    ...Object.keys(connectOutcomes).flatMap((name) =>
      namespaces.includes(name) ? [] : `There is no namespace ${name}: remove it from connectOutcomes.`,
    ),
    ...contracts.flatMap((contract) => compareContract(contract, rowsByContract[contract.name])),
    ...Object.entries(rowsByContract).flatMap(([name, { file }]) =>
      known.has(name) ? [] : `There is no contract "${name}": remove its rows from test/matrix/rows/${file}.`,
    ),
  ];
}

const describeMissingConnect = (namespace: string): string =>
  `Nothing says who may connect to ${namespace}: add it to connectOutcomes in test/matrix/outcomes.ts.`;

function compareContract({ name, clientEvents, routes }: Contract, found: Rows | undefined): string[] {
  const place = found === undefined ? 'a new entry of rowsByContract' : `test/matrix/rows/${found.file}`;
  const compare = (what: 'event' | 'route', declared: readonly string[], rows: object = {}): string[] => [
    ...declared
      .filter((one) => !(one in rows))
      .map((one) => `The ${what} "${one}" of the contract "${name}" has no row: ${HOW[what](one)} to ${place}.`),
    ...Object.keys(rows)
      .filter((one) => !declared.includes(one))
      .map((one) => `The contract "${name}" has no ${what} "${one}": remove its row from ${place}.`),
  ];
  return [
    ...compare('event', Object.keys(clientEvents), found?.rows.events),
    ...compare('route', Object.keys(routes), found?.rows.routes),
  ];
}

const HOW = {
  event: (name: string) => `add '${name}': { args: (ids) => [/* its arguments */] }`,
  route: (name: string) => `add ${name}: { request: (ids) => ({ /* params, query, body */ }) }`,
};
