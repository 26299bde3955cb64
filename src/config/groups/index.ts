import { z } from 'zod';
import { access } from './access.js';
import { connections } from './connections.js';
import { delivery } from './delivery.js';
import { limits } from './limits.js';
import { gatewayProcess } from './process.js';
import { pushSites } from './push-sites.js';
import { storage } from './storage.js';
import { supportChat } from './support-chat.js';

/**
 * The settings by group, in the order of `README.md` and `.env.example`, which have a chapter for each group. A test holds
 * the three together.
 */
export const groups = {
  Process: gatewayProcess,
  Storage: storage,
  'Authentication and access': access,
  Connections: connections,
  Limits: limits,
  'Durable messages and push notifications': delivery,
  'Support chat': supportChat,
  'Push sites': pushSites,
};

/** Every setting: its format, default and description. An empty value counts as absent. */
export const environment = z.object({
  ...gatewayProcess,
  ...storage,
  ...access,
  ...connections,
  ...limits,
  ...delivery,
  ...supportChat,
  ...pushSites,
});
