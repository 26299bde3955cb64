import type { JSX } from 'preact';
import type { administration } from '#shared/contracts/administration.js';
import { toCall } from '../api.js';
import { formatBytes, formatMs, formatNumber, UNKNOWN } from '../format.js';
import { type NodeRow, stateOf } from '../nodes.js';
import { Act } from '../parts/act.js';
import { Node } from '../parts/node.js';
import { type Column, Table } from '../parts/table.js';
import { Ago, Time } from '../parts/time.js';

const drainNode = toCall<typeof administration.routes.drainNode>('post', '/nodes/:nodeId/drain');

/** Above it a node answers late. */
const LATE_MS = 100;

/** One row for each node. */
export function Nodes({ rows, reload }: { rows: readonly NodeRow[]; reload: () => void }): JSX.Element {
  const acts: Column<NodeRow> = { label: 'Action', cell: (row) => <Drain row={row} reload={reload} /> };
  return (
    <Table
      caption="Nodes"
      columns={[...COLUMNS, acts]}
      rows={rows}
      keyOf={({ node }) => node.id}
      isStale={({ presence }) => presence !== 'answering'}
    />
  );
}

const COLUMNS: readonly Column<NodeRow>[] = [
  { label: 'Node', cell: ({ node }) => <Node id={node.id} name={node.name} /> },
  { label: 'State', cell: (row) => <State row={row} /> },
  { label: 'Version', cell: ({ node }) => node.version ?? UNKNOWN },
  { label: 'Started', cell: ({ node }) => <Ago at={node.startedAt} /> },
  {
    label: 'Connections',
    cell: ({ node }) => <span title={toList(node.connectionsByNamespace)}>{formatNumber(node.connections)}</span>,
    isNumber: true,
  },
  { label: 'Events/s', cell: ({ node }) => formatNumber(node.eventsPerSecond), isNumber: true },
  { label: 'Emits/s', cell: ({ node }) => formatNumber(node.emitsPerSecond), isNumber: true },
  {
    label: 'Loop lag',
    cell: ({ node: { eventLoopLagMs } }) => (
      <span class={(eventLoopLagMs ?? 0) > LATE_MS ? 'warn' : undefined}>{formatMs(eventLoopLagMs)}</span>
    ),
    isNumber: true,
  },
  { label: 'Memory', cell: ({ node }) => formatBytes(node.memoryBytes), isNumber: true },
  { label: 'Redis', cell: ({ node }) => <Service state={node.redis} /> },
  { label: 'MongoDB', cell: ({ node }) => <Service state={node.mongo} /> },
];

function State({ row }: { row: NodeRow }): JSX.Element {
  const state = stateOf(row);
  return (
    <>
      <span class={`tag ${TONES[state]}`}>{state}</span>
      {row.presence !== 'answering' && row.answeredAt !== undefined ? (
        <>
          {' '}
          since <Time at={row.answeredAt} />
        </>
      ) : null}
    </>
  );
}

function Service({ state }: { state: 'up' | 'down' | 'none' | null }): JSX.Element {
  if (state === null) return <span>{UNKNOWN}</span>;
  if (state === 'none') return <span class="quiet">none</span>;
  return <span class={state === 'up' ? 'dot good' : 'dot bad'}>{state}</span>;
}

function Drain({ row, reload }: { row: NodeRow; reload: () => void }): JSX.Element | null {
  const { id, name, connections, isDraining } = row.node;
  if (row.presence !== 'answering' || isDraining === true) return null;
  const drain = async (): Promise<void> => {
    await drainNode({ params: { nodeId: id } });
    reload();
  };
  return (
    <Act label="Drain" subject={`node ${name ?? id}`} run={drain} isDangerous>
      <p>
        The node takes no new connections and disconnects its {formatNumber(connections)} clients in waves. They connect
        again, to another node if there is one.
      </p>
      <p>This cannot be undone: the node stays so until it is stopped.</p>
    </Act>
  );
}

const toList = (counts: Readonly<Record<string, number>> | null): string =>
  Object.entries(counts ?? {})
    .map(([name, count]) => `${name}: ${count}`)
    .join('\n');

const TONES = {
  ready: 'good',
  draining: 'warn',
  'not ready': 'bad',
  'no answer': 'bad',
  'has left': '',
} as const;
