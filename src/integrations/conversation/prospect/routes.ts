import type { prospect } from '#shared/contracts/prospect.js';
import { GatewayError } from '../../../errors.js';
import type { RouteHandlers } from '../../../framework/routes.js';
import type { ProspectService } from './service.js';

/** REST routes of prospects: a backend stored something and requests that it is sent. */
export const createRoutes = (service: ProspectService): RouteHandlers<typeof prospect> => ({
  async emitMessage({ params: { channel, messageID } }) {
    ensureProspect(channel);
    await service.emitMessage(messageID);
  },
  async emitConversation({ params: { channel, convoID, isNew } }) {
    ensureProspect(channel);
    await service.emitConversation(convoID, isNew === 'new');
  },
});

/** @throws GatewayError `NOT_FOUND` for any channel but `prospect` */
function ensureProspect(channel: string): void {
  if (channel !== 'prospect') throw new GatewayError('NOT_FOUND');
}
