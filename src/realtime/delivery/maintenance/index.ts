import type { Models } from '#shared/models/index.js';
import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Bus } from '../../bus.js';
import type { DeviceLifecycle } from '../devices/index.js';
import { Migration } from '../migration/index.js';
import type { Sending } from '../outbox/index.js';
import { announcePlaces } from '../outbox/notifications.js';
import type { MailboxSockets } from '../outbox/sockets.js';
import type { DeliveryStorage } from '../storage/index.js';
import { LogPoll } from './log-poll.js';
import { PeriodicTasks } from './periodic-tasks.js';
import { PollCoordinator } from './poll-coordinator.js';
import { Purge } from './purge.js';

/** Everything that happens without a caller: migration, poll of the log, purge and removal of devices. */
export interface Maintenance {
  /** Moves everything that an earlier version stored. Repeated while nodes of that version may be running. */
  migrate(): Promise<void>;
  start(): void;
  stop(): void;
}

interface Dependencies {
  readonly models: Models;
  readonly storage: DeliveryStorage;
  readonly lifecycle: DeviceLifecycle;
  readonly sending: Sending;
  readonly sockets: MailboxSockets;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly tasks: TaskTracker;
  readonly receiptTtlMs: number;
}

/** Nothing runs before `start`, which `migrate` must precede. */
export function createMaintenance(dependencies: Dependencies): Maintenance {
  const { models, storage, lifecycle, sending, sockets, bus, clock, tasks, receiptTtlMs } = dependencies;
  const { log, mailboxes, nodes } = storage;
  const { outboxes, cursors } = sending;
  const purge = new Purge({ log, mailboxes, clock, receiptTtlMs });
  const migration = new Migration({
    models,
    log,
    mailboxes,
    clock,
    receiptTtlMs,
    onAppended: (recipient, end) => {
      outboxes.notice(recipient, end.position);
      void announcePlaces(bus, [{ recipient, ...end }]);
    },
  });
  const migrate = (): Promise<void> => migration.run();
  const periodicTasks = new PeriodicTasks({
    sockets,
    outboxes,
    cursors,
    nodes,
    clock,
    tasks,
    migrate,
    expiry: lifecycle.expiry,
    pollCoordinator: new PollCoordinator({ poll: new LogPoll({ log, clock }), outboxes, bus, clock, tasks }),
    purge: () => purge.run(),
  });
  return { migrate, start: () => periodicTasks.start(), stop: () => periodicTasks.stop() };
}
