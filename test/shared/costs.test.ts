import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { limitOfEvent, limitOfRoute } from '#shared/contracts/contract.js';
import { amountsOfConversation, amountsOfMessage, costs, describeCosts, pointsOf } from '#shared/contracts/costs.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { projectDirectory } from '../support/script.js';

/** Work that is the same whatever the caller names: a few rows of the caller, and events to the caller's own sockets. */
const constant = new Set([
  'session refresh_token',
  'community chat:typing_stop',
  'community-notifications notification:mark_read',
  'community-notifications notification:mark_all_read',
  'community-notifications notification:get_unread_count',
  'support typing_stop',
  'lead-finder join',
  'lead-finder leave',
  'shared-events join',
]);

const operations = publishedContracts.flatMap(({ contract }) => {
  const routes = Object.entries(contract.routes).filter(([, { caller }]) => caller === 'user');
  return [...Object.entries(contract.clientEvents), ...routes].map(([name, { costs = [] }]) => ({
    id: `${contract.name} ${name}`,
    costs,
  }));
});

describe('the contract of each event and each route of users', () => {
  test('names the costs of its work, unless the work is constant', () => {
    const undecided = operations.filter(({ id, costs }) => costs.length === 0 && !constant.has(id));
    expect(undecided.map(({ id }) => id)).toEqual([]);
    const known = new Set(operations.filter(({ costs }) => costs.length === 0).map(({ id }) => id));
    expect([...constant].filter((id) => !known.has(id))).toEqual([]);
  });

  test('names each kind of work once', () => {
    const repeated = operations.filter(({ costs }) => new Set(costs).size < costs.length);
    expect(repeated).toEqual([]);
  });
});

describe('the route that does the same as an event', () => {
  const doors = publishedContracts.flatMap(({ contract }) =>
    Object.entries(contract.routes).flatMap(([name, { event, costs }]) =>
      event === undefined ? [] : [{ name, contract, event, costs, same: contract.clientEvents[event] }],
    ),
  );

  test.each(doors)('has the limit and the costs of $event: $name', ({ name, contract, event, costs, same }) => {
    expect(limitOfRoute(name, contract)).toEqual(same && limitOfEvent(event, same));
    expect(costs).toEqual(same?.costs);
  });

  test('is named where routes of users exist', () => {
    expect(doors.map(({ contract, name }) => `${contract.name} ${name}`)).toEqual([
      'community sendMessage',
      'support createConversation',
      'support listConversations',
      'support listMessages',
      'support sendMessage',
      'support assignConversation',
      'support closeConversation',
    ]);
  });
});

describe('the points of work', () => {
  test.each([
    [{}, 0],
    [{ rows: 99 }, 0],
    [{ rows: 50, receivers: 50 }, 1],
    [{ examined: 499 }, 0],
    [{ examined: 500 }, 1],
    [{ bytes: 16_384 * 250 }, 2],
    [amountsOfMessage(33), 0],
    [amountsOfMessage(600), 18],
    [amountsOfConversation(20, 200), 0],
    [amountsOfConversation(100, 0), 7],
    [amountsOfConversation(20, 40_000), 8],
    [{ text: 1024 * 1024 }, 10],
  ])('of %j are %i', (amounts, points) => {
    expect(pointsOf(amounts)).toBe(points);
  });
});

test('describes costs in words, and nothing where there are none', () => {
  expect(describeCosts([])).toBe(undefined);
  expect(describeCosts(['rows'])).toBe(
    'Costs 1 point of the event limit, and 1 more for every 100 units of work. Units: 1 for each document read or written.',
  );
});

test('the page of the contracts has the units of all kinds of work', async () => {
  const page = await readFile(join(projectDirectory, 'shared/contracts/README.md'), 'utf8');
  const rows = Object.entries(costs).map(([name, { summary }]) => `| \`${name}\` | ${summary} |`);
  expect(page).toContain(rows.join('\n'));
});
