import { chatNamespace } from '#shared/contracts/namespaces.js';
import { support } from '#shared/contracts/support.js';
import type { Context } from '../../../framework/context.js';
import { mountEvents } from '../../../framework/events.js';
import type { Integration } from '../../../framework/integration.js';
import { mountRoutes } from '../../../framework/routes.js';
import { createLargeFrames } from '../../../library-internals/large-frames.js';
import { startPolling } from '../../../platform/time/poller.js';
import type { GatewaySocket, SocketListener } from '../../../sockets/socket.js';
import { ChatError, type ChatServices, toRequestFailure } from '../shared/index.js';
import { createContacts } from './contacts.js';
import { createDepartments } from './department.js';
import { createHandlers } from './handlers.js';
import { createMemberships } from './memberships.js';
import { ownRoomOf, toIdentity } from './people.js';
import { supportReplyFormat } from './reply-format.js';
import { createResending } from './resending.js';
import { createRoutes } from './routes.js';
import { createSupportServices } from './service.js';

/** Files that a node receives at once, in total and of one owner. Further ones wait. */
const RECEIVED_AT_ONCE = 8;
const RECEIVED_OF_ONE = 2;

/** How often a node sweeps abandoned files. */
const SWEEP_MS = 600_000;

/** The support chat on `/`, and its departments on `/department`. */
export const createSupport = (context: Context, chats: ChatServices): Integration => {
  const { authentication } = chats;
  const { clock, logger, config } = context;
  const services = createSupportServices(context, chats);
  const memberships = createMemberships(context.models);
  const departments = createDepartments(context, { ...services, ...chats, memberships });

  const largeFrames = createLargeFrames<GatewaySocket>({
    // A packet of `/` with one attachment, as Socket.IO writes it.
    announces: (packet) => /^51-\d*\["file_upload",/.test(packet),
    generalBytes: config.sockets.messageMaxBytes,
    maxBytes: config.support.frameMaxBytes,
    atOnce: RECEIVED_AT_ONCE,
    atOnceOfOne: RECEIVED_OF_ONE,
    ownerOf: ({ data }) => ownRoomOf(toIdentity(data.principal)),
    refuse(socket) {
      const error = new ChatError('UNAVAILABLE', 'The upload was too slow while others waited', {
        retryAfterMs: 1000,
      });
      const told = supportReplyFormat.toErrorEvent(error, {
        event: 'file_upload',
        data: undefined,
        isAcknowledged: false,
      });
      if (told !== undefined) socket.emit(told.event, told.payload);
    },
    clock,
  });

  const listener: SocketListener = {
    connected(socket) {
      if (socket.nsp.name !== chatNamespace) return;
      largeFrames.admit(socket);
      const { principal } = socket.data;
      if (principal.kind !== 'visitor') return;
      void socket.join(services.room.ofVisitor(principal.visitorId, principal.conversationIds));
    },
    disconnected(socket) {
      if (socket.nsp.name === chatNamespace) largeFrames.dismiss(socket);
    },
  };

  return {
    name: support.name,
    namespaces: [departments.namespace],
    mounts: [
      mountEvents(support, createHandlers(services), { namespaces: [chatNamespace], replyFormat: supportReplyFormat }),
    ],
    routes: mountRoutes(support, createRoutes(services), {
      authenticate: authentication.authenticateRequest,
      toFailure: toRequestFailure,
    }),
    listeners: [...departments.listeners, listener, services.typing.listener],
    contactsOf: createContacts({
      models: context.models,
      blocks: chats.blocks,
      access: services.access,
      memberships,
    }),
    resending: createResending(context, services),
    onUsersOnline: departments.onUsersOnline,
    onUsersOffline: departments.onUsersOffline,
    start() {
      const end = departments.start();
      const stopSweeping = startPolling({
        clock,
        intervalMs: SWEEP_MS,
        poll: () => services.fileStore.sweep(),
        onError: (error) => logger.warn({ err: error }, 'support: sweeping abandoned files failed'),
      });
      return async () => {
        await Promise.all([stopSweeping(), services.settling.stop()]);
        await Promise.all([end(), services.log.stop(), services.typing.settle()]);
      };
    },
  };
};
