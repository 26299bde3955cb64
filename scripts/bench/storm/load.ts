import { setTimeout as pause } from 'node:timers/promises';
import jwt from 'jsonwebtoken';
import { ACCOUNT_ID, userIdOf } from '../wire.js';
import { type Counts, StormClient } from './client.js';

/** A request to a load process. */
export type StormOrder =
  /** Connects clients, so many at once. Answered when all have entered. */
  | {
      readonly kind: 'connect';
      readonly port: number;
      readonly first: number;
      readonly count: number;
      readonly inFlight: number;
      readonly secret: string;
    }
  /** Clients that connect again do so to this port. */
  | { readonly kind: 'lead'; readonly port: number }
  | { readonly kind: 'count' };

/** Of ten clients one is in the chats and one in the conversations; durable messages go to the others. */
export const namespaceOf = (index: number): string => ['/', '/v1/conversation'][index % 10] ?? '/v1/shared';

const counts: Counts = { entered: 0, attempts: 0, refused: 0, explained: 0, failed: 0, received: [] };
let port = 0;

async function connect(order: Extract<StormOrder, { kind: 'connect' }>): Promise<void> {
  ({ port } = order);
  for (let n = 0; n < order.count; n += 1) {
    while (n - counts.entered >= order.inFlight) await pause(5);
    const index = order.first + n;
    const namespace = namespaceOf(index);
    const claims = { uid: userIdOf(index), account_id: ACCOUNT_ID, workspace_id: 'w', scope: 'conversation' };
    const token = jwt.sign(claims, order.secret, { expiresIn: '2h' });
    const identity = { token, namespace, deviceId: `device-${index}`, isTyped: index % 2 === 0 };
    new StormClient(identity, { counts, portOf: () => port }).connect();
  }
  while (counts.entered < order.count) await pause(20);
}

process.on('message', (order: StormOrder) => {
  void (async () => {
    if (order.kind === 'connect') await connect(order);
    if (order.kind === 'lead') ({ port } = order);
    process.send?.(counts);
  })();
});
process.once('disconnect', () => process.exit(0));
