import type { prospect } from '#shared/contracts/prospect.js';
import { GatewayError } from '../../../errors.js';
import type { RouteHandlers } from '../../../framework/integration.js';
import type { ProspectService } from './service.js';

/** The REST of prospects: a backend has stored something, and asks for it to be sent. */
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

/** @throws GatewayError `NOT_FOUND` for a channel of which nothing can be sent */
function ensureProspect(channel: string): void {
  if (channel !== 'prospect') throw new GatewayError('NOT_FOUND');
}
