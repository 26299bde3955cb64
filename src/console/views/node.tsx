import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { administration } from '#shared/contracts/administration.js';
import type { cluster } from '#shared/contracts/cluster.js';
import { type Answer, toCall } from '../api.js';
import { ApiError } from '../api-error.js';
import { currentTime } from '../clock.js';
import { formatNumber, UNKNOWN } from '../format.js';
import { useNodeName } from '../node-names.js';
import { mergeNodes, type NodeRow } from '../nodes.js';
import { Id } from '../parts/copy.js';
import { DeviceName } from '../parts/device.js';
import { PageHead } from '../parts/page.js';
import { type PageCursors, Pager } from '../parts/pager.js';
import { Empty, Shown } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { Ago } from '../parts/time.js';
import { hrefTo, type ViewProps } from '../paths.js';
import { useLoaded } from '../polling.js';
import { Nodes } from './overview-nodes.js';

const getCluster = toCall<typeof cluster.routes.overview>('get', '/cluster');
const getConnections = toCall<typeof administration.routes.nodeConnections>('get', '/nodes/:nodeId/connections');

const EVERY_MS = 10_000;

type Connection = Answer<typeof administration.routes.nodeConnections>['connections'][number];

/** A node: what it does now, and the clients that are connected to it. */
export function NodePage({ values: { id = '' } }: ViewProps): JSX.Element {
  const name = useNodeName(id);
  return (
    <>
      <PageHead title={`Node ${name}`} />
      <div class="summary">
        <span>
          <span class="quiet">Id</span> <Id id={id} />
        </span>
        <a href={hrefTo('/console/live', {}, { node: name })}>Follow live</a>
      </div>
      <State key={`state of ${id}`} nodeId={id} />
      <Connections key={id} nodeId={id} />
    </>
  );
}

/** As the overview shows it. Nothing when no node has this id, which {@link Connections} says. */
function State({ nodeId }: { nodeId: string }): JSX.Element {
  const rows = useRef<readonly NodeRow[]>([]);
  const load = async (abort: AbortSignal): Promise<readonly NodeRow[]> => {
    const { nodes } = await getCluster({}, abort);
    const own = nodes.filter(({ id }) => id === nodeId);
    rows.current = mergeNodes(rows.current, own, currentTime());
    return rows.current;
  };
  const loaded = useLoaded(load, { everyMs: EVERY_MS });
  return (
    <Shown of={loaded}>
      {([row]) =>
        row === undefined ? null : (
          <>
            <Nodes rows={[row]} reload={loaded.reload} />
            <Namespaces counts={row.node.connectionsByNamespace ?? {}} />
          </>
        )
      }
    </Shown>
  );
}

function Namespaces({ counts }: { counts: Readonly<Record<string, number>> }): JSX.Element | null {
  const used = Object.entries(counts).filter(([, count]) => count > 0);
  if (used.length === 0) return null;
  return (
    <dl class="tiles">
      {used.map(([namespace, count]) => (
        <div key={namespace}>
          <dt>
            Connections to <code>{namespace}</code>
          </dt>
          <dd>{formatNumber(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Connections({ nodeId }: { nodeId: string }): JSX.Element {
  const [cursors, setCursors] = useState<PageCursors>([]);
  const after = cursors.at(-1);
  const loaded = useLoaded((abort) => getConnections({ params: { nodeId }, query: { after } }, abort), {
    key: after ?? '',
    everyMs: EVERY_MS,
  });
  if (loaded.error instanceof ApiError && loaded.error.code === 'NOT_FOUND') {
    return <Empty>No node has this id now. It has left, or has started again with another id.</Empty>;
  }
  return (
    <Shown of={loaded}>
      {({ connections, next }) => (
        <>
          {connections.length === 0 ? (
            <Empty>
              {after === undefined ? 'No client is connected to this node.' : 'There are no further sockets.'}
            </Empty>
          ) : (
            <Table
              caption="Sockets of the node"
              columns={COLUMNS}
              rows={connections}
              keyOf={({ socketId }) => socketId}
            />
          )}
          <Pager cursors={cursors} change={setCursors} next={next} labels={['Previous', 'Next']} />
        </>
      )}
    </Shown>
  );
}

const COLUMNS: readonly Column<Connection>[] = [
  { label: 'User', cell: (connection) => <Person connection={connection} /> },
  { label: 'Namespace', cell: ({ namespace }) => <code>{namespace}</code> },
  { label: 'Device', cell: ({ deviceId }) => <DeviceName id={deviceId} /> },
  { label: 'Connected', cell: ({ connectedAt }) => <Ago at={connectedAt} /> },
  { label: 'Socket', cell: ({ socketId }) => <Id id={socketId} /> },
];

/** Only users of the platform have a page. */
function Person({ connection: { kind, userId } }: { connection: Connection }): JSX.Element {
  if (kind === 'anonymous') return <span class="quiet">anonymous</span>;
  if (userId === null) return <>{UNKNOWN}</>;
  if (kind === 'user') return <Id id={userId} href={hrefTo('/console/users/:id', { id: userId })} />;
  return (
    <>
      <Id id={userId} /> <span class="tag">{kind}</span>
    </>
  );
}
