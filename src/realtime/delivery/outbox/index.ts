import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Logger } from '../../../platform/logging/logger.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Bus } from '../../bus.js';
import { CursorWriter } from '../devices/cursor-writer.js';
import { Cursors } from '../devices/cursors.js';
import type { DeviceLifecycle } from '../devices/index.js';
import type { DeliveryMeasures } from '../measures.js';
import type { PushStore } from '../push/store.js';
import type { DeliveryStorage } from '../storage/index.js';
import { Acknowledgements } from './acknowledgements.js';
import { Opener } from './opener.js';
import { Outboxes } from './outboxes.js';
import { QueueClearing } from './queue-clearing.js';
import type { MailboxSockets } from './sockets.js';

/** Sends what is stored to the devices that are connected to this node, and notes what they acknowledge. */
export interface Sending {
  readonly outboxes: Outboxes;
  readonly opener: Opener;
  readonly cursors: Cursors;
  readonly clearing: QueueClearing;
}

interface Dependencies {
  readonly storage: DeliveryStorage;
  readonly lifecycle: DeviceLifecycle;
  readonly sockets: MailboxSockets;
  readonly pushStore: PushStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tasks: TaskTracker;
  readonly measures: DeliveryMeasures;
  readonly mailboxMax: number;
  /** The database failed; what failed is repeated. */
  report(error: unknown): void;
}

/** Some of the parts refer to each other, so they are created together. */
export function createSending(dependencies: Dependencies): Sending {
  const { storage, lifecycle, sockets, pushStore, bus, clock, logger, tasks, measures, report } = dependencies;
  const { log, mailboxes, positions } = storage;
  const { devices, limits } = lifecycle;
  const writer = new CursorWriter({
    mailboxes,
    log,
    pushStore,
    report,
    onRemoved: async (cursor) =>
      sockets.ofDevice(cursor.device).length > 0 ? devices.restore(cursor.device, cursor) : undefined,
  });
  const cursors = new Cursors({ writer, logger, now: clock.now });
  const clearing = new QueueClearing({
    sockets,
    cursors,
    limits,
    mailboxes,
    log,
    clock,
    bus,
    listener: measures,
    report,
  });
  const listener = new Acknowledgements({ sockets, cursors, limits, clearing, tasks, measures, report });
  const outboxes = new Outboxes({ sockets, cursors, log, clock, listener });
  const opener = new Opener({
    outboxes,
    devices,
    mailboxes,
    cursors,
    limits,
    log,
    positions,
    clock,
    tasks,
    report,
    mailboxMax: dependencies.mailboxMax,
  });
  return { outboxes, opener, cursors, clearing };
}
