import type { Connection } from 'mongoose';
import { defineApiSession } from './api-session.js';
import { defineDelivery } from './delivery.js';
import { defineSocket } from './socket.js';
import { defineUser } from './user.js';

/** Every model, made on one connection, so that two applications can live in one process. */
export type Models = ReturnType<typeof defineModels>;

/** Makes the models; builds no index and sends nothing. */
export const defineModels = (connection: Connection) => ({
  ...defineDelivery(connection),
  ApiSession: defineApiSession(connection),
  Socket: defineSocket(connection),
  User: defineUser(connection),
});
