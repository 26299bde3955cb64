import type { JSX } from 'preact';
import { now } from '../../clock.js';
import { UNKNOWN } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Id } from '../../parts/copy.js';
import { DeviceName } from '../../parts/device.js';
import { NodeOfId } from '../../parts/node.js';
import { Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { Ago } from '../../parts/time.js';
import type { User } from './context.js';

type Socket = User['sockets'][number];

/** The sockets of a user on all nodes. */
export function Sockets({ user: { sockets, connections } }: { user: User }): JSX.Element {
  return (
    <Card title="Sockets" note={toNote(sockets.length, connections)}>
      {sockets.length === 0 ? (
        <Empty>No socket is open on any node. Only durable events are kept until one is.</Empty>
      ) : (
        <Table
          caption="Open sockets"
          columns={COLUMNS}
          rows={sockets}
          keyOf={({ socketId }) => socketId}
          isStale={({ client }) => client === null}
        />
      )}
    </Card>
  );
}

const toNote = (shown: number, all: number): string => (shown < all ? `the first ${shown} of ${all}` : String(all));

const COLUMNS: readonly Column<Socket>[] = [
  { label: 'Namespace', cell: ({ namespace }) => <code>{namespace}</code> },
  { label: 'Device', cell: ({ deviceId }) => <DeviceName id={deviceId} /> },
  { label: 'Connected', cell: ({ connectedAt }) => <Ago at={connectedAt} /> },
  {
    label: 'Client',
    cell: ({ client }) =>
      client === null ? (
        <span class="quiet">the node does not answer</span>
      ) : (
        <span class="client" title={client.userAgent ?? undefined}>
          {client.transport} <span class="quiet">{client.userAgent}</span>
        </span>
      ),
  },
  { label: 'Address', cell: ({ address }) => address ?? UNKNOWN },
  {
    label: 'Token',
    cell: ({ client, tokenExpiresAt }) => (client === null ? UNKNOWN : <Expiry at={tokenExpiresAt} />),
  },
  { label: 'Node', cell: ({ node }) => <NodeOfId id={node} /> },
  { label: 'Socket', cell: ({ socketId }) => <Id id={socketId} /> },
];

function Expiry({ at }: { at: string | null }): JSX.Element {
  if (at === null) return <span class="quiet">does not expire</span>;
  const isOver = Date.parse(at) <= now.value;
  return (
    <span class={isOver ? 'bad' : ''}>
      {isOver ? 'expired' : 'expires'} <Ago at={at} />
    </span>
  );
}
