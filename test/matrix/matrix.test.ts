import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineContract } from '#shared/contracts/contract.js';
import { configuredNamespaces, publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { sharedEvents } from '#shared/contracts/shared-events.js';
import { createRandom } from '../support/random.js';
import { compareRows } from './completeness.js';
import { chooseKinds } from './kinds.js';
import { chooseOperations } from './operations.js';
import { type Matrix, openMatrix } from './run.js';

const contracts = publishedContracts.map(({ contract }) => contract);
const namespaces = Object.keys({ ...publishedNamespaces, ...configuredNamespaces });

describe('rows', () => {
  test('cover every namespace, event and route, and nothing else', () => {
    expect(compareRows(contracts, namespaces)).toEqual([]);
  });

  test('that are missing or superfluous are named, with what to do', () => {
    const route = { summary: 'x', method: 'get', path: '/x' } as const;
    const fresh = defineContract({ name: 'fresh', routes: { look: route } });
    const grown = {
      ...sharedEvents,
      clientEvents: { ...sharedEvents.clientEvents, leave: sharedEvents.clientEvents.join },
    };
    const shrunk = { ...sharedEvents, clientEvents: {} };
    const others = contracts.filter(({ name }) => name !== sharedEvents.name);
    expect(compareRows([...contracts, fresh], [...namespaces, '/v2'])).toEqual([
      'Nothing says who may connect to /v2: add it to connectOutcomes in test/matrix/outcomes.ts.',
      'The route "look" of the contract "fresh" has no row: ' +
        'add look: { request: (ids) => ({ /* params, query, body */ }) } to a new entry of rowsByContract.',
    ]);
    expect(compareRows([...others, grown], namespaces)).toEqual([
      'The event "leave" of the contract "shared-events" has no row: ' +
        "add 'leave': { args: (ids) => [/* its arguments */] } to test/matrix/rows/platform.ts.",
    ]);
    expect(compareRows([...others, shrunk], namespaces)).toEqual([
      'The contract "shared-events" has no event "join": remove its row from test/matrix/rows/platform.ts.',
    ]);
    expect(compareRows(others, namespaces)).toEqual([
      'There is no contract "shared-events": remove its rows from test/matrix/rows/platform.ts.',
    ]);
  });
});

describe('a sample of the matrix on two nodes', () => {
  /** The same operations and callers every time; `matrix.long.ts` has all of them. `MATRIX_SEED` chooses others. */
  const seed = Number(process.env['MATRIX_SEED'] ?? 1);
  let matrix: Matrix;

  beforeAll(async () => {
    matrix = await openMatrix(chooseKinds(createRandom(seed)));
  });

  afterAll(() => matrix?.close());

  test.each(chooseOperations(seed).map((operation) => [operation.key, operation] as const))(
    'serves only callers who are allowed: %s',
    async (_key, operation) => {
      const faults = await matrix.run(operation);
      expect(faults, faults.join('\n')).toEqual([]);
    },
  );
});
