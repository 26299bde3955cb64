import { anonymous, userOf } from '../../auth/principal.js';
import { createFloodBrake, type Flood, type FloodBrake } from '../../library-internals/flood-brake.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import type { GatewaySocket, SocketState } from '../../sockets/socket.js';
import { callerOf } from './caller.js';

/** Who sends on a connection: the socket that entered a namespace last, or before that a client known by its address only. */
type Sender = Pick<GatewaySocket, 'id' | 'nsp' | 'data'> | { readonly address: string };

/** Slows down callers who flood the gateway. */
export type Floods = FloodBrake<Sender>;

interface Dependencies {
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  metrics: Pick<Metrics, 'floods'>;
}

/** Counts the floods, and logs who sends them. */
export function createFloods({ clock, logger, metrics }: Dependencies): Floods {
  const onFlood = ({ sender, caller, packet, isFirst }: Flood<Sender>): void => {
    metrics.floods.inc();
    if (!isFirst) return;
    const { principal, address } = stateOf(sender);
    const site = principal.kind === 'site' ? principal.site : undefined;
    const details = { caller, address, user: userOf(principal), ...(site !== undefined && { site }), packet };
    const { id, namespace } = 'data' in sender ? { id: sender.id, namespace: sender.nsp.name } : NOWHERE;
    logger.warn({ ...details, namespace, socket: id }, 'a caller floods the gateway: its connections are read slowly');
  };
  return createFloodBrake<Sender>({ clock, callerOf: (sender) => callerOf(stateOf(sender)), onFlood });
}

const NOWHERE = { id: null, namespace: null };

const stateOf = (sender: Sender): Pick<SocketState, 'principal' | 'address'> =>
  'data' in sender ? sender.data : { principal: anonymous, address: sender.address };
