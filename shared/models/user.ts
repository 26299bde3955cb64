import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const schema = new Schema(
  {
    account: { type: Schema.Types.ObjectId, index: true },
    name: String,
    email: String,
    image: String,
    conversation_active_status: { type: String, enum: ['active', 'away'] },
  },
  { collection: '_users', timestamps: true },
);

/** A user of the platform. Other services write this collection too. */
export type User = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineUser = (connection: Connection): Model<User> => connection.model<User>('User', schema);
