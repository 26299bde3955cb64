import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const { Mixed } = Schema.Types;

const schema = new Schema(
  {
    /** Text or `ObjectId`: whoever registers tokens decides. */
    account_id: Mixed,
    /** As `account_id`. */
    user_id: { type: Mixed, index: true },
    web_token: { type: [String], required: true },
  },
  { collection: 'fcm.tokens' },
);

/** Where a user's browsers and phones can be reached by push. Other services write this collection. */
export type FcmToken = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineFcmToken = (connection: Connection): Model<FcmToken> =>
  connection.model<FcmToken>('FcmToken', schema);
