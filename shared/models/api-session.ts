import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const schema = new Schema(
  { _id: String, access_token: { type: String, required: true }, refresh_token: String, expires_at: Date },
  { collection: '_api.sessions', timestamps: true },
);

/** A session of the platform's API, by whose id a client may connect instead of with its token. */
export type ApiSession = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineApiSession = (connection: Connection): Model<ApiSession> =>
  connection.model<ApiSession>('ApiSession', schema);
