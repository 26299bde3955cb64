import type { Context } from '../framework/context.js';
import type { Integration } from '../framework/integration.js';
import { createPresenceTracker, type PresenceTracker } from '../framework/presence-tracker.js';
import { createIntegrations } from '../integrations/index.js';
import type { Base } from './base.js';
import type { Outside } from './outside.js';
import { resendAfterDeaths } from './resending.js';

/** What the integrations declare, and what notifies them of users who go online and offline. */
export interface Started {
  readonly integrations: readonly Integration[];
  readonly presenceTracker: PresenceTracker;
}

/** Step 3: creates the integrations and starts their background work. */
export async function startIntegrations(base: Base, outside: Outside, context: Context): Promise<Started> {
  const { logger, cleanup } = base;
  const { presence, sockets } = context;
  const integrations = createIntegrations(context);
  // Ends after the integrations: they send until then.
  await resendAfterDeaths(base, outside, integrations);
  const presenceTracker = createPresenceTracker({ presence, sockets, integrations, logger });
  await presenceTracker.start();
  cleanup.add('presence', presenceTracker.stop);
  for (const { name, start } of integrations) if (start !== undefined) cleanup.add(name, start());
  return { integrations, presenceTracker };
}
