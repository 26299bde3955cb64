import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const recipientSchema = new Schema(
  {
    /** Site and user; made by the gateway in one place. */
    _id: String,
    /** The last number that was given to a message. Numbers only rise; some are never used. */
    seq: { type: Number, required: true, default: 0 },
    /** Which write took the last number; tells another that came between. */
    batch: String,
    devices: { type: [{ _id: false, id: String, seenAt: Date }], required: true },
    /** Devices that lost messages and have not been told. */
    cuts: { type: [String], required: true },
  },
  { collection: 'delivery.recipients' },
);
recipientSchema.index({ 'devices.seenAt': 1 });

/**
 * Why a message for a device ends without delivery: its own time is over, too many waited, the device was away for too long,
 * or had missed what it cannot do without and starts over.
 */
export const losses = ['ttl', 'overflow', 'device', 'resync'] as const;

const entrySchema = new Schema(
  {
    message: { type: String, required: true },
    recipient: { type: String, required: true },
    /** `null`: no device was known; the first that comes takes it. */
    device: { type: String, default: null },
    seq: { type: Number, required: true },
    /** Where it is heard; `*`: everywhere on the site. */
    namespace: { type: String, required: true },
    /** JSON of `[event, ...arguments]`: exactly what the sender sent, whatever its keys are called. */
    body: { type: String, required: true },
    isPending: { type: Boolean, required: true },
    state: { type: String, enum: ['queued', 'sent', 'acked', 'pushed', 'expired'], required: true },
    /** Why it ended without delivery. */
    loss: { type: String, enum: losses },
    at: { type: Date, required: true },
    createdAt: { type: Date, required: true },
    /** Not delivered after this. */
    expireAt: Date,
    isResync: Boolean,
    /** Kept for a while after its end, because somebody may ask for its state; so is everything that was lost. */
    keepsReceipt: Boolean,
    /** A push follows unless a device acknowledges. */
    hasPush: Boolean,
    purgeAt: Date,
  },
  { collection: 'delivery.entries' },
);
entrySchema.index({ recipient: 1, device: 1, seq: 1 }, { partialFilterExpression: { isPending: true } });
// Partial, because most messages of push sites are gone once they are acknowledged: they need not pay for it.
entrySchema.index({ recipient: 1, seq: 1 }, { partialFilterExpression: { keepsReceipt: true } });
entrySchema.index({ message: 1 });
entrySchema.index({ expireAt: 1 }, { partialFilterExpression: { isPending: true } });
entrySchema.index({ purgeAt: 1 }, { expireAfterSeconds: 0 });

const keySchema = new Schema(
  {
    /** Site and idempotency key. */
    _id: String,
    bodyHash: { type: String, required: true },
    message: { type: String, required: true },
    /** JSON of the answer, once there is one. */
    answer: String,
    /** Until when whoever took the key may be at work. */
    leasedUntil: { type: Date, required: true },
    purgeAt: { type: Date, required: true },
  },
  { collection: 'delivery.keys' },
);
keySchema.index({ purgeAt: 1 }, { expireAfterSeconds: 0 });

const pushSchema = new Schema(
  {
    /** The message. */
    _id: String,
    userIds: { type: [String], required: true },
    /** JSON of title, body and data. */
    notification: { type: String, required: true },
    /** It stands for a message in mailboxes, and is of no use once that has been acknowledged or is over. */
    isFallback: { type: Boolean, required: true },
    /** When it is to be sent; moved forward by the node that holds it. */
    dueAt: { type: Date, required: true },
    attempts: { type: Number, required: true },
    /** Which claim holds it; absent: none. */
    lease: String,
    /** The lease has expired; unless its holder answers by `dueAt`, another node takes the push. */
    isContested: Boolean,
    /** Tokens that are still to be sent to; absent: all tokens of the users. */
    tokens: { type: [String], default: undefined },
    /** FCM accepted it for at least one token. */
    isShown: Boolean,
    /** Tokens that FCM refuses for good, to be removed from the users. */
    refused: { type: [String], default: undefined },
    createdAt: { type: Date, required: true },
    purgeAt: { type: Date, required: true },
  },
  { collection: 'delivery.pushes' },
);
pushSchema.index({ dueAt: 1 });
pushSchema.index({ purgeAt: 1 }, { expireAfterSeconds: 0 });

/** A mailbox: who it belongs to and by which devices. */
export type DeliveryRecipient = InferSchemaType<typeof recipientSchema>;
/** One of {@link losses}. */
export type Loss = (typeof losses)[number];
/** One message for one device. */
export type DeliveryEntry = InferSchemaType<typeof entrySchema>;
/** An idempotency key and what was answered. */
export type DeliveryKey = InferSchemaType<typeof keySchema>;
/** A push that is to be sent. */
export type DeliveryPush = InferSchemaType<typeof pushSchema>;

/** The models of acknowledged delivery on one connection. */
export const defineDelivery = (connection: Connection): DeliveryModels => ({
  DeliveryRecipient: connection.model<DeliveryRecipient>('DeliveryRecipient', recipientSchema),
  DeliveryEntry: connection.model<DeliveryEntry>('DeliveryEntry', entrySchema),
  DeliveryKey: connection.model<DeliveryKey>('DeliveryKey', keySchema),
  DeliveryPush: connection.model<DeliveryPush>('DeliveryPush', pushSchema),
});

/** What {@link defineDelivery} makes. */
export interface DeliveryModels {
  readonly DeliveryRecipient: Model<DeliveryRecipient>;
  readonly DeliveryEntry: Model<DeliveryEntry>;
  readonly DeliveryKey: Model<DeliveryKey>;
  readonly DeliveryPush: Model<DeliveryPush>;
}
