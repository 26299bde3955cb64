import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const schema = new Schema(
  {
    /** `user:<id>` or `token:<jti>`. */
    _id: String,
    /** Tokens of the user that were issued before are refused. */
    issuedBefore: Date,
    /** The user may not connect before. */
    blockedUntil: Date,
    /** Rises with each change of the block, which may also end it. */
    blockVersion: Number,
    /** When it was last changed, by the clock of the database: nodes read what is new by it. */
    changedAt: Date,
    /** When it ends. */
    purgeAt: { type: Date, required: true },
  },
  { collection: 'socket.revocations' },
);
schema.index({ changedAt: 1 });
schema.index({ purgeAt: 1 }, { expireAfterSeconds: 0 });

/** A revocation by a backend: of one token, of all tokens of a user, or a temporary block. */
export type Revocation = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineRevocation = (connection: Connection): Model<Revocation> =>
  connection.model<Revocation>('Revocation', schema);
