import { beforeAll, expect, test } from 'vitest';
import { publishedContracts } from '#shared/contracts/index.js';
import { faultOf, type Row, toLateCommands, toRows, toShardKeys } from './report.js';
import { type IndexSpec, readIndexes } from './rules/index-spec.js';
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

/** Collections that no shard key fits. They stay on one shard, which a cluster does not refuse. */
const UNSHARDED: Readonly<Record<string, string>> = {
  communications: 'a unique index begins with an array',
  'community.chats': 'direct chats are unique by `directKey`, which groups do not have',
  'delivery.pushes': 'the next push is taken by its time',
};

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

test('a sharded cluster refuses no query', () => {
  const without = [...toShardKeys(rows, indexes)].filter(([, keys]) => keys.length === 0).map(([name]) => name);
  expect(without).toEqual(Object.keys(UNSHARDED));
});

// `npx vitest run test/queries --update=true` writes the table anew.
test('the table of queries matches the queries that were sent', async () => {
  await expect(toTable(rows, toShardKeys(rows, indexes))).toMatchFileSnapshot('queries.md');
});
