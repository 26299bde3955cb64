import { GatewayError } from '../../../errors.js';
import { createBatcher } from '../../../platform/concurrency/batcher.js';
import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import type { Cursors } from '../devices/cursors.js';
import { CLOCK_SKEW_MS, type ConnectingDevice, type Devices, type RegisteredDevice } from '../devices/devices.js';
import type { QueueLimits } from '../devices/queue-limits.js';
import { EVERYWHERE, type Recipient, withKey } from '../message.js';
import { highestAcked, lowestAcked } from '../storage/acked.js';
import type { Entry } from '../storage/entry.js';
import type { Log } from '../storage/log.js';
import { READ_MAX } from '../storage/log-reader.js';
import type { StoredDevice } from '../storage/mailbox.js';
import type { Device, Mailboxes } from '../storage/mailboxes.js';
import type { Positions } from '../storage/positions.js';
import { readWaiting, type WaitingQuery } from '../storage/waiting.js';
import type { Outbox } from './outbox.js';
import type { Outboxes } from './outboxes.js';

/** When a failed attempt is repeated. */
const RETRY_MS = 4000;
/** Devices whose waiting entries one query reads, and how many it reads. */
const READS_MAX = 200;
const WAITING_MAX = 5000;

interface Dependencies {
  readonly outboxes: Outboxes;
  readonly devices: Devices;
  readonly mailboxes: Mailboxes;
  readonly cursors: Cursors;
  readonly limits: QueueLimits;
  readonly log: Log;
  readonly positions: Positions;
  readonly clock: Clock;
  readonly tasks: TaskTracker;
  /** Messages that may wait for a device. */
  readonly mailboxMax: number;
  /** The database failed; what failed is repeated. */
  report(error: unknown): void;
}

/** A socket that has connected, and what was known at that moment. */
interface Opening {
  readonly outbox: Outbox;
  readonly device: ConnectingDevice;
  /** The highest position that was known to be stored. */
  readonly stored: number;
}

/** Opens the outbox of a socket: finds where its device stands, and sends what waits. */
export class Opener {
  readonly #dependencies: Dependencies;
  /** What waits for a device, read together for all that connect at once; `undefined`: much. */
  readonly #readWaiting = createBatcher<WaitingQuery, readonly Entry[] | undefined>(async (devices) => {
    const found = await readWaiting(this.#dependencies.log, devices, WAITING_MAX);
    return found ?? devices.map(() => undefined);
  }, READS_MAX);

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** The client counts as connected from now on, so everything that is known now is noted before anything is awaited. */
  open(socket: GatewaySocket, recipient: Recipient): void {
    const { outboxes, positions, clock } = this.#dependencies;
    const keyed = withKey(recipient);
    const outbox = outboxes.open(socket, keyed);
    const namespaces = [socket.nsp.name, EVERYWHERE];
    const answered = positions.answered(keyed.key);
    const device = { ...outbox.device, namespaces, connectedAt: clock.now(), answered };
    this.#openWithRetry({ outbox, device, stored: positions.stored(keyed.key) });
  }

  /** Tries until the database has answered or the socket is gone. */
  #openWithRetry(opening: Opening): void {
    const { clock, report, outboxes } = this.#dependencies;
    const { outbox } = opening;
    const opened = this.#open(opening).then(() => outboxes.releaseIdle(outbox.socket));
    opened.catch((error: unknown) => {
      if (error instanceof GatewayError) return refuse(outbox.socket, error);
      report(error);
      if (!outbox.isClosed) clock.after(RETRY_MS, () => this.#openWithRetry(opening));
    });
  }

  async #open({ outbox, device, stored }: Opening): Promise<void> {
    const { devices, cursors, positions, tasks } = this.#dependencies;
    const registered = await devices.register(device);
    if (outbox.isClosed) return;
    if (!registered.isNew) tasks.run(devices.noteConnection(device));
    const last = positions.stored(device.recipient.key);
    const waiting = await this.#readWaiting(toQuery(device, registered.device));
    const known = await this.#applyLimits(outbox, registered, waiting?.length);
    const cursor = cursors.of(outbox.device, known);
    if (waiting?.length === 0) {
      const highest = device.namespaces.map((namespace) => highestAcked(known.acked, known.start, namespace));
      return outbox.resume({ cursor, position: Math.max(last, ...highest), last });
    }
    const isOld = ({ position, createdAt }: Entry): boolean =>
      position <= stored || createdAt < device.connectedAt - CLOCK_SKEW_MS;
    const first = waiting && { entries: waiting.slice(0, READ_MAX), isLast: waiting.length <= READ_MAX };
    // Not awaited here: what is read would be held until the client has acknowledged it.
    return outbox.catchUp({ cursor, position: lowestOf(device, known), last }, { isOld, first });
  }

  /** Trims the queue if it is too long, and notifies the client if it has lost messages. @returns the device as it is stored */
  async #applyLimits(outbox: Outbox, registered: RegisteredDevice, waiting: number | undefined): Promise<StoredDevice> {
    const { limits, log, mailboxMax } = this.#dependencies;
    const { device } = registered;
    const { recipient } = outbox.device;
    const namespaces = [outbox.socket.nsp.name, EVERYWHERE];
    const length = waiting ?? (await log.readLast(recipient.key)) - lowestOf({ namespaces }, device);
    const isTooLong = length > mailboxMax;
    // Another node may have trimmed it since the device was registered.
    const trimmed = isTooLong ? await limits.trimDevice(outbox.device) : undefined;
    const stored = trimmed?.stored ?? device;
    if (registered.needsResync || trimmed?.needsResync === true) await this.#tell(outbox, stored.revision);
    return stored;
  }

  /** The client is notified before the flag is cleared, so no failure comes between. Only one of several sockets of a device is notified. */
  async #tell(outbox: Outbox, revision: number): Promise<void> {
    const { outboxes, mailboxes } = this.#dependencies;
    if (outbox.isClosed) return;
    if (!outboxes.isTold(outbox.device, revision)) outbox.sendResync(revision);
    await mailboxes.clearResync(outbox.device, revision);
  }
}

/** Nothing up to this position waits for the device. */
const lowestOf = ({ namespaces }: Pick<ConnectingDevice, 'namespaces'>, { acked, start }: StoredDevice): number =>
  Math.min(...namespaces.map((namespace) => lowestAcked(acked, start, namespace)));

/** Where entries may wait for a device. */
const toQuery = (
  { recipient, deviceId, namespaces }: Device & Pick<ConnectingDevice, 'namespaces'>,
  { acked, start }: StoredDevice,
): WaitingQuery => ({
  recipient,
  deviceId,
  ranges: namespaces.map((namespace) => ({ namespace, after: lowestAcked(acked, start, namespace) })),
});

/** The device cannot be kept. */
function refuse(socket: GatewaySocket, { code }: GatewayError): void {
  socket.emit('disconnected', { reason: code });
  socket.disconnect();
}
