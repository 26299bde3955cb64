import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** An upload that is going on, or was when its node died. */
export interface SupportUpload {
  /** Of the file that is being stored. */
  _id: Types.ObjectId;
  beganAt: Date;
}

const schema = new Schema<SupportUpload>(
  { beganAt: { type: Date, required: true } },
  { collection: 'support.uploads' },
);
schema.index({ beganAt: 1 });

/** The model on one connection. */
export const defineSupportUpload = (connection: Connection): Model<SupportUpload> =>
  connection.model<SupportUpload>('SupportUpload', schema);
