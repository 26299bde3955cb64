import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const schema = new Schema(
  { user: { type: String, required: true, unique: true }, socket_ids: { type: [String], required: true } },
  { collection: 'sockets', timestamps: true },
);
// Finds the entries that a crash has left.
schema.index({ socket_ids: 1 });

/** The sockets by which a user is active: those that have joined, on all nodes. */
export type Socket = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineSocket = (connection: Connection): Model<Socket> => connection.model<Socket>('Socket', schema);
