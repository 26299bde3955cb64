import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../../platform/time/clock.js';
import { Log } from './log.js';
import { Mailboxes } from './mailboxes.js';
import { Nodes } from './nodes.js';
import { Positions } from './positions.js';

/** What the database stores for delivery, and what this node knows of it. */
export interface DeliveryStorage {
  /** The messages of all recipients. */
  readonly log: Log;
  /** The devices of all recipients, with their cursors. */
  readonly mailboxes: Mailboxes;
  /** The heartbeats of all nodes. */
  readonly nodes: Nodes;
  /** In memory: the last position of each log. */
  readonly positions: Positions;
}

/** @param onRead called for each read of messages on behalf of sockets */
export function createStorage(
  { models, clock }: { models: Models; clock: Clock },
  onRead: () => void,
): DeliveryStorage {
  const positions = new Positions(clock);
  return {
    log: new Log({ models, clock, positions }, onRead),
    mailboxes: new Mailboxes(models.DeliveryRecipient),
    nodes: new Nodes({ model: models.DeliveryNode, clock }),
    positions,
  };
}
