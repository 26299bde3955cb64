import { beforeAll, expect, test } from 'vitest';
import { publishedContracts } from '#shared/contracts/index.js';
import { shardKeys } from '#shared/models/sharding.js';
import { faultOf, type Row, reachOfRow, toLateCommands, toRows } from './report.js';
import { type IndexSpec, readIndexes } from './rules/index-spec.js';
import { permissionOf, SCATTERED } from './scattered.js';
import { obstaclesOf, refusalOf } from './sharding.js';
import { toTable } from './table.js';
import { walkCommunity } from './walk/community.js';
import { walkConversations } from './walk/conversations.js';
import { createWalkEnvironment, type WalkEnvironment } from './walk/environment.js';
import { walkPlatform } from './walk/platform.js';
import { walkSupport } from './walk/support.js';

/*
 * Every query that the product sends to the database, by a walk through all events and routes, held against MongoDB's rules.
 * The rules are written down here once more and know nothing of the embedded database.
 */

/** Collections of an earlier version, which are only taken over. Their indexes are those that it made. */
const RETIRED: ReadonlySet<unknown> = new Set(['delivery.entries', 'delivery.recipients']);

let environment: WalkEnvironment;
let indexes: ReadonlyMap<string, readonly IndexSpec[]>;
let rows: Row[];

beforeAll(async () => {
  environment = await createWalkEnvironment();
  try {
    await walkConversations(environment);
    await walkCommunity(environment);
    await walkSupport(environment);
    await walkPlatform(environment);
    indexes = readIndexes(environment.models);
  } finally {
    await environment.close();
  }
  const current = environment.recorder.commands.filter(({ name, command }) => !RETIRED.has(command[name]));
  rows = toRows(current, indexes);
});

test('the walk calls every event and every route of the contracts', () => {
  const published = publishedContracts.flatMap(({ contract: { name, clientEvents, routes } }) =>
    [...Object.keys(clientEvents), ...Object.keys(routes)].map((called) => `${name} ${called}`),
  );
  expect([...environment.covered].sort()).toEqual(published.sort());
});

test('MongoDB serves every query by an index, in the order that is asked for', () => {
  const faults = rows.flatMap((row) => {
    const fault = faultOf(row);
    return fault === undefined ? [] : `${row.collection} ${row.shape}: ${fault}`;
  });
  expect(faults).toEqual([]);
});

test('MongoDB 6.0 knows every command and every operator', () => {
  expect(toLateCommands(environment.recorder.commands)).toEqual([]);
});

test('each collection has a shard key, or a reason to stay whole', () => {
  expect(Object.keys(shardKeys).sort()).toEqual([...indexes.keys()].sort());
});

test('each collection can be sharded by its key, and the cluster refuses no query', () => {
  const faults = Object.entries(shardKeys).flatMap(([name, key]) => {
    if (key.field === undefined) return [];
    const refused = rows.filter(
      ({ collection, access }) => collection === name && refusalOf(key, access) !== undefined,
    );
    return [...obstaclesOf(key, indexes.get(name) ?? []), ...refused.map(({ shape }) => shape)].map(
      (fault) => `${name}: ${fault}`,
    );
  });
  expect(faults).toEqual([]);
});

test('every query goes to the shards of its keys, except those that may go to all', () => {
  const scattered = rows.filter((row) => reachOfRow(row) === 'all');
  const faults = scattered.flatMap((row) => (permissionOf(row) === undefined ? `${row.collection} ${row.shape}` : []));
  expect(faults).toEqual([]);
  const used = new Set(scattered.map(permissionOf));
  expect(SCATTERED.filter((one) => !used.has(one))).toEqual([]);
});

// `npx vitest run test/queries --update=true` writes the table anew.
test('the table of queries matches the queries that were sent', async () => {
  await expect(toTable(rows)).toMatchFileSnapshot('queries.md');
});
