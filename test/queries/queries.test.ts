import { beforeAll, expect, test } from 'vitest';
import { publishedContracts } from '#shared/contracts/index.js';
import { shardKeys } from '#shared/models/sharding.js';
import { faultOf, reachOfRow, toLateCommands } from './report.js';
import { permissionOf, SCATTERED } from './scattered.js';
import { obstaclesOf, refusalOf } from './sharding.js';
import { toTable } from './table.js';
import { type Walk, walkThrough } from './walk/index.js';

/*
 * Every query that the product sends to the database, by a walk through all events and routes, held against MongoDB's rules.
 * The rules are written down here once more and know nothing of the embedded database.
 */

let walk: Walk;

beforeAll(async () => {
  walk = await walkThrough();
});

test('the walk calls every event and every route of the contracts', () => {
  const published = publishedContracts.flatMap(({ contract: { name, clientEvents, routes } }) =>
    [...Object.keys(clientEvents), ...Object.keys(routes)].map((called) => `${name} ${called}`),
  );
  expect([...walk.covered].sort()).toEqual(published.sort());
});

test('MongoDB serves every query by an index, in the order that is asked for', () => {
  const faults = walk.rows.flatMap((row) => {
    const fault = faultOf(row);
    return fault === undefined ? [] : `${row.collection} ${row.shape}: ${fault}`;
  });
  expect(faults).toEqual([]);
});

test('MongoDB 6.0 knows every command and every operator', () => {
  expect(toLateCommands(walk.recorder.commands)).toEqual([]);
});

test('each collection has a shard key, or a reason to stay whole', () => {
  expect(Object.keys(shardKeys).sort()).toEqual([...walk.indexes.keys()].sort());
});

test('each collection can be sharded by its key, and the cluster refuses no query', () => {
  const faults = Object.entries(shardKeys).flatMap(([name, key]) => {
    if (key.field === undefined) return [];
    const refused = walk.rows.filter(
      ({ collection, access }) => collection === name && refusalOf(key, access) !== undefined,
    );
    return [...obstaclesOf(key, walk.indexes.get(name) ?? []), ...refused.map(({ shape }) => shape)].map(
      (fault) => `${name}: ${fault}`,
    );
  });
  expect(faults).toEqual([]);
});

test('every query goes to the shards of its keys, except those that may go to all', () => {
  const scattered = walk.rows.filter((row) => reachOfRow(row) === 'all');
  const faults = scattered.flatMap((row) => (permissionOf(row) === undefined ? `${row.collection} ${row.shape}` : []));
  expect(faults).toEqual([]);
  const used = new Set(scattered.map(permissionOf));
  expect(SCATTERED.filter((one) => !used.has(one))).toEqual([]);
});

// `npx vitest run test/queries --update=true` writes the table anew.
test('the table of queries matches the queries that were sent', async () => {
  await expect(toTable(walk.rows)).toMatchFileSnapshot('queries.md');
});
