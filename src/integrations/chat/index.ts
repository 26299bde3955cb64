import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import type { UserServices } from '../users/index.js';
import { createCommunityChat } from './community/index.js';
import { createChatServices, createChats } from './shared/index.js';
import { createSupport } from './support/index.js';

/** The support chat and the community chat, which share the namespace `/`. */
export function createChat(context: Context, users: UserServices): Integration[] {
  const services = createChatServices(context, users);
  const support = createSupport(context, services);
  const community = createCommunityChat(context, services);
  return [createChats(context, services, [support, community]), support, community];
}
