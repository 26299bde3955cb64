import { sharedEvents } from '#shared/contracts/shared-events.js';
import type { Context } from '../../realtime/context.js';
import { type Integration, mountEvents } from '../../realtime/integration.js';
import { sharedNamespace } from '../../realtime/namespaces.js';
import { createHandlers } from './handlers.js';

/** `/v1/shared`: clients listen, backends emit. */
export const createSharedEvents = (context: Context): Integration => ({
  name: sharedEvents.name,
  mounts: [mountEvents(sharedEvents, createHandlers(context), { namespaces: [sharedNamespace] })],
});
