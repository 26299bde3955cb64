import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** A file that may have to be deleted: its upload is running, or it was sent to no conversation. */
export interface SupportUpload {
  /** Of the file. */
  _id: Types.ObjectId;
  owner: SupportOwner;
  /** The conversation to which it is being sent; `null`: none. */
  conversationId: Types.ObjectId | null;
  /** What the file counts among those of its owner; 0 when it counts no longer. */
  bytes: number;
  beganAt: Date;
  /** When it is deleted, unless the message of its file was stored. */
  expiresAt: Date;
}

/** The owner of a file. */
export interface SupportOwner {
  kind: 'user' | 'visitor';
  id: string;
}

/** Storage used by the files of one owner. */
export interface SupportUsage {
  /** The kind and the id of the owner. */
  _id: string;
  bytes: number;
}

const { ObjectId } = Schema.Types;

const uploadSchema = new Schema<SupportUpload>(
  {
    owner: new Schema<SupportOwner>({ kind: String, id: String }, { _id: false, id: false }),
    conversationId: { type: ObjectId, default: null },
    bytes: { type: Number, required: true },
    beganAt: { type: Date, required: true },
    expiresAt: { type: Date, required: true },
  },
  { collection: 'support.uploads' },
);
uploadSchema.index({ expiresAt: 1 });

const usageSchema = new Schema<SupportUsage>(
  { _id: String, bytes: { type: Number, required: true } },
  { collection: 'support.usage' },
);

const defineSupportUpload = (connection: Connection): Model<SupportUpload> =>
  connection.model<SupportUpload>('SupportUpload', uploadSchema);
const defineSupportUsage = (connection: Connection): Model<SupportUsage> =>
  connection.model<SupportUsage>('SupportUsage', usageSchema);

/** The models on one connection. */
export const defineSupportUploads = (connection: Connection) => ({
  SupportUpload: defineSupportUpload(connection),
  SupportUsage: defineSupportUsage(connection),
});
