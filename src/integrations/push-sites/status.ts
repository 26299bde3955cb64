import { siteNamespace } from '#shared/contracts/namespaces.js';
import type { siteStatus } from '#shared/contracts/site-status.js';
import type { Context } from '../../framework/context.js';
import type { RouteHandlers } from '../../framework/routes.js';
import { shareAnswers } from '../../platform/concurrency/shared-answers.js';
import { createAskNodes } from '../../realtime/ask-nodes.js';
import type { NamespaceLoad } from '../../realtime/local-node.js';
import { type SiteActivities, type SiteActivity, UPDATES_MAX } from './activity.js';

/** A call to a node. */
const STATUS = 'sites:status';

/** How long an answer counts: many open consoles ask no more often than one. */
const ANSWER_TTL_MS = 1000;

/** What a node knows of each site, by name. */
type NodeSites = Readonly<Record<string, SiteActivity & NamespaceLoad>>;

/** The sites over all nodes. Each node answers for its own sockets and calls. */
export function createSiteStatus(context: Context, activities: SiteActivities): RouteHandlers<typeof siteStatus> {
  const { config, clock, localNode, nodeCalls } = context;
  const names = config.sites.map(({ name }) => name);
  const askNodes = createAskNodes(context);
  nodeCalls.handle(
    STATUS,
    (): NodeSites =>
      Object.fromEntries(
        names.map((name) => [name, { ...activities.of(name), ...localNode.load(siteNamespace(name)) }]),
      ),
  );
  const ask = async () => {
    const answers = await askNodes<NodeSites>(STATUS, {});
    // Settings of nodes can differ while they are changed.
    const found = (name: string) => answers.flatMap(({ answer }) => answer?.[name] ?? []);
    return {
      sites: names.map((name) => ({ name, namespace: siteNamespace(name), ...toShown(found(name), clock.now()) })),
      missingNodes: answers.flatMap(({ node, answer }) => (answer === undefined ? [node] : [])),
    };
  };
  const share = shareAnswers(ask, { clock, ttlMs: ANSWER_TTL_MS, max: 1 });
  return { sites: () => share('') };
}

/** @param now of this node: Unix time in milliseconds */
function toShown(nodes: readonly (SiteActivity & NamespaceLoad)[], now: number) {
  const toTime = (ageMs: number): string => new Date(now - ageMs).toISOString();
  const callsMs = nodes.flatMap((node) => node.callsMs).sort((one, other) => one - other);
  const [last] = nodes.flatMap((node) => node.last ?? []).sort((one, other) => one.ageMs - other.ageMs);
  const updates = nodes.flatMap((node) => node.updates).sort((one, other) => one.ageMs - other.ageMs);
  const sum = (of: (node: SiteActivity & NamespaceLoad) => number): number =>
    nodes.reduce((total, node) => total + of(node), 0);
  return {
    connections: sum(({ connections }) => connections),
    waiting: sum(({ waiting }) => waiting),
    auth: {
      ok: sum(({ ok }) => ok),
      failed: sum(({ failed }) => failed),
      lastStatus: last?.status ?? null,
      lastAt: last === undefined ? null : toTime(last.ageMs),
      p50Ms: rankOf(callsMs, 0.5),
      p99Ms: rankOf(callsMs, 0.99),
    },
    userUpdates: updates.slice(0, UPDATES_MAX).map(({ ageMs, userId, kind }) => ({ at: toTime(ageMs), userId, kind })),
  };
}

/** The smallest value that so many of all do not exceed. @param sorted ascending */
const rankOf = (sorted: readonly number[], share: number): number | null =>
  sorted[Math.ceil(share * sorted.length) - 1] ?? null;
