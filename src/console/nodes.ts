import type { cluster } from '#shared/contracts/cluster.js';
import type { Answer } from './answer.js';

/** A node as the gateway describes it. */
export type Node = Answer<typeof cluster.routes.overview>['nodes'][number];

/** A node as the page shows it. */
export interface NodeRow {
  /** What it said last; all `null` when it never answered. */
  readonly node: Node;
  /** When it said that, in milliseconds. */
  readonly answeredAt: number | undefined;
  /** `silent`: it is alive and does not answer. `gone`: it has left the cluster. */
  readonly presence: 'answering' | 'silent' | 'gone';
}

/** How long a node that has left is still shown. */
const KEPT_MS = 5 * 60_000;

/**
 * The rows after another answer. A node that does not answer keeps what it said last, and a node that has left stays for some
 * minutes, so that it does not vanish while it is looked at.
 */
export function mergeNodes(old: readonly NodeRow[], nodes: readonly Node[], nowMs: number): NodeRow[] {
  const oldById = new Map(old.map((row) => [row.node.id, row]));
  const ids = new Set(nodes.map(({ id }) => id));
  const present = nodes.map((node): NodeRow => {
    if (node.name !== null) return { node, answeredAt: nowMs, presence: 'answering' };
    return { node, answeredAt: undefined, ...oldById.get(node.id), presence: 'silent' };
  });
  const gone = old
    .filter(({ node, answeredAt = 0 }) => !ids.has(node.id) && nowMs - answeredAt < KEPT_MS)
    .map((row): NodeRow => ({ ...row, presence: 'gone' }));
  return [...present, ...gone].sort((left, right) => (sortKeyOf(left) < sortKeyOf(right) ? -1 : 1));
}

/** What is wrong with a node, or `ready`. */
export type NodeState = 'ready' | 'draining' | 'not ready' | 'no answer' | 'has left';

/** The state of a node in one word. */
export function stateOf({ node, presence }: NodeRow): NodeState {
  if (presence === 'gone') return 'has left';
  if (presence === 'silent') return 'no answer';
  if (node.isDraining === true) return 'draining';
  return node.isReady === true ? 'ready' : 'not ready';
}

const sortKeyOf = ({ node }: NodeRow): string => `${node.name ?? '\uffff'} ${node.id}`;
