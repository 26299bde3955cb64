import { HISTORY_STEP_S } from '#shared/contracts/cluster.js';
import type { Context } from '../../framework/context.js';
import { shareAnswers } from '../../platform/concurrency/shared-answers.js';
import { createAskNodes } from '../../realtime/ask-nodes.js';
import type { Columns } from './history.js';
import { mergeColumns } from './merge.js';
import type { Load, Sampler } from './sampler.js';

/** Calls to a node. */
const STATUS = 'cluster:status';
const HISTORY = 'cluster:history';

/** How long the number of users is cached: counting them reads every socket. */
const USERS_TTL_MS = 5000;

/** How long an answer is cached: many open consoles cost no more than one. */
const ANSWER_TTL_MS = 1000;
/** Lengths of the history that are asked for at the same time. */
const ANSWERS_MAX = 8;

/** What a node reports about itself. */
interface NodeStatus extends Load {
  readonly name: string;
  readonly version: string;
  readonly startedAt: string;
  readonly connections: number;
  readonly users: number;
  readonly memoryBytes: number;
  readonly redis: 'up' | 'down' | 'none';
  readonly mongo: 'up' | 'down';
  readonly isDraining: boolean;
  readonly isReady: boolean;
}

const SILENT = {
  name: null,
  version: null,
  startedAt: null,
  connections: null,
  connectionsByNamespace: null,
  eventsPerSecond: null,
  emitsPerSecond: null,
  eventLoopLagMs: null,
  memoryBytes: null,
  redis: null,
  mongo: null,
  isDraining: null,
  isReady: null,
};

/** The state of all nodes. Each answers for itself. */
export function createClusterService(context: Context, sampler: Sampler) {
  const { config, clock, health, localNode, nodeCalls } = context;
  const askNodes = createAskNodes(context);
  const startedAtMs = clock.now();
  const countUsers = remember(clock.now, () => localNode.users());

  const status = async (): Promise<NodeStatus> => {
    const [load, states] = await Promise.all([sampler.load(), health.states()]);
    const startedAt = new Date(startedAtMs).toISOString();
    const { mongo = false, redis = false, ...others } = states;
    return {
      ...localNode.info(),
      ...load,
      startedAt,
      users: countUsers(),
      memoryBytes: process.memoryUsage.rss(),
      redis: config.redis.url === undefined ? 'none' : redis ? 'up' : 'down',
      mongo: mongo ? 'up' : 'down',
      isReady: [mongo, redis, ...Object.values(others)].every(Boolean) && !health.isDraining(),
    };
  };
  nodeCalls.handle(STATUS, status);
  nodeCalls.handle(HISTORY, (request) => sampler.columns((request as { steps: number }).steps));

  const overview = async () => {
    const answers = await askNodes<NodeStatus>(STATUS, {});
    const found = answers.flatMap(({ answer }) => answer ?? []);
    const sum = (of: (status: NodeStatus) => number): number =>
      Math.round(found.reduce((total, one) => total + of(one), 0) * 1000) / 1000;
    return {
      nodes: answers.map(toNode).sort(byName),
      totals: {
        connections: sum(({ connections }) => connections),
        users: sum(({ users }) => users),
        eventsPerSecond: sum(({ eventsPerSecond }) => eventsPerSecond),
        emitsPerSecond: sum(({ emitsPerSecond }) => emitsPerSecond),
        waiting: sum(({ waiting }) => waiting),
      },
    };
  };

  const history = async (steps: number) => {
    const answers = await askNodes<Columns>(HISTORY, { steps });
    const found = answers.flatMap(({ answer }) => answer ?? []);
    const merged = mergeColumns(found, { steps, stepMs: HISTORY_STEP_S * 1000, nowMs: clock.now() });
    return {
      stepSeconds: HISTORY_STEP_S,
      from: new Date(merged.fromMs).toISOString(),
      series: merged.series,
      missingNodes: answers.flatMap(({ node, answer }) => (answer === undefined ? [node] : [])),
    };
  };

  const shared = { clock, ttlMs: ANSWER_TTL_MS, max: ANSWERS_MAX };
  const shareOverview = shareAnswers(overview, shared);
  const shareHistory = shareAnswers((steps) => history(Number(steps)), shared);
  return { overview: () => shareOverview(''), history: (steps: number) => shareHistory(String(steps)) };
}

/** A value that is made again at most once in {@link USERS_TTL_MS}. */
function remember(now: () => number, make: () => number): () => number {
  let known: { readonly value: number; readonly untilMs: number } | undefined;
  return () => {
    if (known === undefined || now() >= known.untilMs) known = { value: make(), untilMs: now() + USERS_TTL_MS };
    return known.value;
  };
}

function toNode({ node: id, answer }: { readonly node: string; readonly answer: NodeStatus | undefined }) {
  if (answer === undefined) return { id, ...SILENT };
  const { waiting: _waiting, users: _users, ...shown } = answer;
  return { id, ...shown };
}

/** Nodes that did not answer come last. */
const byName = (
  one: { readonly id: string; readonly name: string | null },
  other: { readonly id: string; readonly name: string | null },
): number => sortKeyOf(one).localeCompare(sortKeyOf(other));

const sortKeyOf = ({ id, name }: { readonly id: string; readonly name: string | null }): string =>
  name === null ? `1 ${id}` : `0 ${name} ${id}`;
