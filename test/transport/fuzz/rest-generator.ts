import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { API_KEY } from '../../support/gateway.js';
import type { Random } from '../../support/random.js';
import type { Caller } from './callers.js';
import type { TrafficGenerator } from './generator.js';
import { createLearning } from './learning.js';
import { makeRequest } from './requests.js';
import type { Pools } from './samples.js';
import { call, createAgent, type HttpCall } from './wire.js';

/** A REST caller. */
export interface RestCaller {
  readonly name: string;
  readonly kinds: readonly (Route['caller'] | 'any')[];
  readonly pools: Pools;
  /** Replaces `pools` on routes that delete or disconnect. */
  readonly expendable?: Pools;
  readonly headers: (random: Random) => Record<string, string>;
  /** Prefix of the path. */
  readonly prefix?: string;
}

/** Its status reports the dependencies of the node, so a 503 is no fault. */
const READINESS = '/health/ready';
/** The broadcast route. */
const BROADCAST = '/broadcast/:event';

/** Streaming routes, whose answer does not end. */
export const isAnswered = ({ sends }: Route): boolean => sends !== 'application/x-ndjson';

const routes = publishedContracts.flatMap(({ contract }) => Object.values<Route>(contract.routes)).filter(isAnswered);
const ENDING = /^\/users\/:userId\/(?:disconnect|block|devices\/.*)$|^\/tokens\/revoke$/;
const CONSOLE = '/console/api';
const CALLS_AT_ONCE = 4;

/** Backends, users and websites, with valid and with invalid credentials. */
export function restCallers(
  callers: readonly Caller[],
  own: { backend: Pools; expendable: Pools; site: Pools; consoleCookie: string },
): RestCaller[] {
  const ofUsers = callers
    .filter(({ namespaces, token }) => namespaces.includes('/') && token !== undefined)
    .map(({ name, token, pools }): RestCaller => {
      const headers = () => ({ authorization: `Bearer ${token}` });
      return { name, kinds: ['user'], pools, headers };
    });
  const [, ...someUsers] = ofUsers;
  return [
    { name: 'backend', kinds: [undefined, 'backend'], headers: keyOf, pools: own.backend, expendable: own.expendable },
    {
      name: 'second backend',
      kinds: [undefined, 'backend'],
      headers: bearerOf,
      pools: own.backend,
      expendable: own.expendable,
    },
    {
      name: 'console',
      kinds: [undefined, 'backend', 'anyone', 'console'],
      prefix: CONSOLE,
      pools: own.backend,
      expendable: own.expendable,
      headers: () => ({ cookie: own.consoleCookie, 'x-console': '1', 'sec-fetch-site': 'same-origin' }),
    },
    { name: 'website', kinds: ['site'], headers: () => ({}), pools: own.site },
    ...ofUsers.slice(0, 2),
    ...someUsers.slice(-3),
    { name: 'caller without a key', kinds: ['any'], pools: own.backend, headers: wrongKeyOf },
  ];
}

const keyOf = () => ({ 'x-api-key': API_KEY });
const bearerOf = () => ({ authorization: `Bearer ${API_KEY}` });
const wrongKeyOf = (random: Random): Record<string, string> =>
  random.pick<Record<string, string>>([
    {},
    { 'x-api-key': API_KEY.slice(1) },
    { 'x-api-key': '' },
    { authorization: `Basic ${API_KEY}` },
    { authorization: 'Bearer' },
    { authorization: `Bearer ${'x'.repeat(9000)}` },
    { cookie: 'a'.repeat(4000) },
  ]);

/** Calls routes. Every call must be answered, and no answer may report a failure of the gateway. */
export function createRestGenerator(caller: RestCaller): TrafficGenerator {
  const { name, kinds, headers, prefix = '' } = caller;
  const own = routes.filter((route) => kinds.includes('any') || kinds.includes(route.caller));
  return {
    title: `${name} by REST`,
    weight: 2 + own.length,
    async play({ url, random, inputs, judge, deadlineMs, places }) {
      const agent = createAgent();
      const learning = createLearning(caller.pools);
      const callOnce = async ({ method, path }: Route, made: HttpCall): Promise<void> => {
        judge.sent();
        if (path === BROADCAST) judge.broadcast.add(nameOf(made.path));
        const about = `${name}: ${JSON.stringify({ ...made, body: String(made.body ?? '').slice(0, 400) }).slice(0, 900)}`;
        try {
          const answer = await call(url, agent, { ...made, timeoutMs: deadlineMs });
          judge.outcome(answer === undefined ? 'call closed' : `REST ${answer.status}`);
          if (answer !== undefined && answer.status < 300 && made.method === method.toUpperCase()) {
            judge.succeeded.add(`${method} ${path}`);
            learning.note(`${method} ${path}`, answer.text);
          }
          if (answer === undefined) judge.fault(`closed instead: ${about}`);
          else if (answer.status >= 500 && path !== READINESS)
            judge.fault(`${answer.status}: ${about}: ${answer.text.slice(0, 200)}`);
        } catch (error) {
          judge.fault(`${error}: ${about}`);
        }
      };
      for (let left = inputs; left > 0; ) {
        const count = Math.min(left, 1 + random.integer(CALLS_AT_ONCE));
        left -= count;
        const made = Array.from({ length: count }, () => {
          const route = random.pick(own);
          const request = makeRequest(route, { random, pools: poolsFor(learning.pools, caller, route) });
          const path = request.path.startsWith(prefix) ? request.path : `${prefix}${request.path}`;
          return [route, { ...request, path, headers: { ...request.headers, ...headers(random) } }] as const;
        });
        await places.run(count, () => Promise.all(made.map(([route, request]) => callOnce(route, request))));
      }
      agent.destroy();
    },
  };
}

function poolsFor(pools: Pools, { expendable }: RestCaller, { path }: Route): Pools {
  if (ENDING.test(path)) return expendable ?? pools;
  return path === '/files/:id' ? { ...pools, id: pools['fileId'] ?? [] } : pools;
}

/** The event name in the path of a broadcast, also of one through the console. */
function nameOf(path: string): string {
  const [, name = ''] = /^(?:\/console\/api)?\/broadcast\/([^/?]*)/.exec(path) ?? [];
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
