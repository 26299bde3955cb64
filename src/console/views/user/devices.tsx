import type { JSX } from 'preact';
import { formatNumber, UNKNOWN } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Id } from '../../parts/copy.js';
import { Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { Ago } from '../../parts/time.js';
import type { User } from './user.js';

type Device = User['devices'][number];

/** Where counting ends; the number is "or more" then. */
const COUNTED_MAX = 1000;

/** The devices that durable messages are kept for, with their queues. */
export function Devices({ devices }: { devices: readonly Device[] }): JSX.Element {
  return (
    <Card title="Devices" note={String(devices.length)}>
      {devices.length === 0 ? (
        <Empty>No device is known. The first that connects gets all durable messages that wait.</Empty>
      ) : (
        <Table caption="Devices" columns={COLUMNS} rows={devices} keyOf={({ deviceId }) => deviceId} />
      )}
    </Card>
  );
}

const COLUMNS: readonly Column<Device>[] = [
  { label: 'Device', cell: ({ deviceId }) => <Id id={deviceId} /> },
  {
    label: 'State',
    cell: ({ isConnected, seenAt }) =>
      isConnected ? (
        <span class="tag good">connected</span>
      ) : (
        <>
          away, last seen <Ago at={seenAt} />
        </>
      ),
  },
  {
    label: 'Namespaces',
    cell: ({ namespaces }) =>
      namespaces.length === 0
        ? UNKNOWN
        : namespaces.map((name) => (
            <code key={name} class="item">
              {name}
            </code>
          )),
  },
  {
    label: 'Waiting',
    isNumber: true,
    cell: ({ waiting }) => (
      <span class={waiting > 0 ? 'warn' : 'quiet'}>
        {formatNumber(waiting)}
        {waiting >= COUNTED_MAX ? ' or more' : ''}
      </span>
    ),
  },
  { label: 'Oldest', cell: ({ oldestAt }) => <Ago at={oldestAt} /> },
];
