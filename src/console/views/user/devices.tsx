import type { JSX } from 'preact';
import type { administration } from '#shared/contracts/administration.js';
import { toCall } from '../../api.js';
import { countOf, formatNumber, UNKNOWN } from '../../format.js';
import { Act } from '../../parts/act.js';
import { Card } from '../../parts/card.js';
import { DeviceName } from '../../parts/device.js';
import { Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { Ago } from '../../parts/time.js';
import type { ActContext, User } from './context.js';

// A path cannot name every device.
const forgetDevice = toCall<typeof administration.routes.forgetAnyDevice>('delete', '/users/:userId/device');
const clearDevice = toCall<typeof administration.routes.clearAnyDevice>('delete', '/users/:userId/device/messages');

type Device = User['devices'][number];

/** Where counting ends; the number is "or more" then. */
const COUNTED_MAX = 1000;

/** The devices that durable messages are kept for, with their queues. */
export function Devices({ devices, ...context }: ActContext & { devices: readonly Device[] }): JSX.Element {
  return (
    <Card title="Devices" note={String(devices.length)}>
      {devices.length === 0 ? (
        <Empty>No device is known. The first that connects gets all durable messages that wait.</Empty>
      ) : (
        <Table
          caption="Devices of the user"
          columns={[...COLUMNS, toActs(context)]}
          rows={devices}
          keyOf={({ deviceId }) => deviceId}
        />
      )}
    </Card>
  );
}

const COLUMNS: readonly Column<Device>[] = [
  { label: 'Device', cell: ({ deviceId }) => <DeviceName id={deviceId} /> },
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

const toActs = (context: ActContext): Column<Device> => ({
  label: 'Actions',
  cell: (device) => (
    <div class="buttons">
      <ClearQueue {...context} device={device} />
      {/* The gateway refuses it while the device is connected. */}
      {device.isConnected ? null : <Forget {...context} device={device} />}
    </div>
  ),
});

interface DeviceActProps extends ActContext {
  readonly device: Device;
}

function ClearQueue({ userId, device: { deviceId, waiting }, done }: DeviceActProps): JSX.Element {
  const run = async (): Promise<void> => {
    const { cleared } = await clearDevice({ params: { userId }, query: { deviceId } });
    done(
      <>
        The queue of <bdi>{toName(deviceId)}</bdi> is cleared. It had {countOf(cleared, 'message')}.
      </>,
    );
  };
  return (
    <Act label="Clear queue" subject={`of ${toName(deviceId)}`} isDangerous run={run}>
      <p>
        {toCount(waiting)} for this device: they are no longer delivered to it. The gateway sends the device{' '}
        <code>_resync</code>, so that it loads everything again. Other devices still get them.
      </p>
    </Act>
  );
}

function Forget({ userId, device: { deviceId, waiting }, done }: DeviceActProps): JSX.Element {
  const run = async (): Promise<void> => {
    await forgetDevice({ params: { userId }, query: { deviceId } });
    done(
      <>
        <bdi>{toName(deviceId)}</bdi> is forgotten.
      </>,
    );
  };
  return (
    <Act label="Forget" subject={toName(deviceId)} isDangerous run={run}>
      <p>
        Nothing is kept for this device any more; {toCount(waiting)} for it now. When it connects again, it is a new
        device, and the gateway sends it <code>_resync</code>, so that it loads everything again.
      </p>
    </Act>
  );
}

/** In sentences. */
const toName = (deviceId: string): string => deviceId || 'the device without an id';

/** Counting ends at a bound. */
const toCount = (messages: number): string => {
  const number = messages >= COUNTED_MAX ? `${formatNumber(COUNTED_MAX)} or more` : formatNumber(messages);
  return messages === 1 ? '1 message waits' : `${number} messages wait`;
};
