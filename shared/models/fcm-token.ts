import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const { Mixed } = Schema.Types;

const schema = new Schema(
  {
    /** Text or `ObjectId`, as the registering service writes it. */
    account_id: Mixed,
    /** As `account_id`. */
    user_id: { type: Mixed, index: true },
    web_token: { type: [String], required: true },
  },
  { collection: 'fcm.tokens' },
);

/** FCM tokens of a user's browsers and phones. Other services write this collection. */
export type FcmToken = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineFcmToken = (connection: Connection): Model<FcmToken> =>
  connection.model<FcmToken>('FcmToken', schema);
