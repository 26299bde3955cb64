import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

/**
 * Why a message for a device ends without delivery: its own time is over, too many waited, the device was away for too long,
 * or had missed what it cannot do without and starts over.
 */
export const losses = ['ttl', 'overflow', 'device', 'resync'] as const;

const recipientSchema = new Schema(
  {
    /** Site and user; made by the gateway in one place. */
    _id: String,
    /** What is above this, and was stored while there was no device, waits for the first that connects. */
    start: Number,
    devices: [
      {
        _id: false,
        id: String,
        /** Messages up to this position were never meant for the device. */
        start: Number,
        /** By namespace: `upTo`, the highest acknowledged position, and `holes`, those below it that are not. */
        acked: Schema.Types.Mixed,
        /** Incremented by each write of `acked`: optimistic concurrency control. */
        revision: Number,
        /** By namespace: the highest position that was offered to a socket. */
        sent: Schema.Types.Mixed,
        /** When the device was last known to be there, by itself. A node that is listed speaks for it too. */
        seenAt: Date,
        connectedAt: Date,
        /** The nodes that it is connected to. */
        nodes: { type: [String], default: undefined },
      },
    ],
    /** Devices that lost messages and have not been told. */
    cuts: { type: [String], default: undefined },
    /** `cuts` was full: each device that is not known is told that it may have lost something. */
    hasForgotten: Boolean,
    /** What was lost lately, for diagnostics. Which messages: all up to `upTo` that `acked` does not cover. */
    losses: [
      {
        _id: false,
        /** `null`: no device had come yet. */
        device: String,
        reason: { type: String, enum: losses },
        start: Number,
        acked: Schema.Types.Mixed,
        upTo: Number,
        at: Date,
      },
    ],
  },
  { collection: 'delivery.mailboxes' },
);
recipientSchema.index({ 'devices.seenAt': 1 });

const entrySchema = new Schema(
  {
    /** The message. */
    _id: String,
    recipient: { type: String, required: true },
    /** 1, 2, 3, … for each recipient. The unique index lets exactly one message have each. */
    position: { type: Number, required: true },
    /** Where it is heard; `*`: everywhere on the site. `''`: it was purged, and the fields below are gone. */
    namespace: { type: String, required: true },
    /** JSON of `[event, ...arguments]`: exactly as the sender sent it, with any keys. */
    body: { type: String, required: true },
    createdAt: { type: Date, required: true },
    /** When it is looked at next, to see whether it can be purged. */
    checkAt: { type: Date, required: true },
    /** Not delivered after this. */
    expireAt: Date,
    isResync: Boolean,
    /** Who acknowledged it, and when, is noted in `ends`. */
    keepsReceipt: Boolean,
    /** A push follows unless a device acknowledges. */
    hasPush: Boolean,
    pushedAt: Date,
    /** What it came to on single devices. */
    ends: {
      type: [
        {
          _id: false,
          device: String,
          at: Date,
          /** Absent: the device acknowledged it. */
          loss: { type: String, enum: losses },
          /** It was never for this device. */
          isForeign: Boolean,
        },
      ],
      default: undefined,
    },
  },
  { collection: 'delivery.log' },
);
entrySchema.index({ recipient: 1, position: 1 }, { unique: true });
entrySchema.index({ createdAt: 1 });
entrySchema.index({ checkAt: 1 });

const nodeSchema = new Schema(
  {
    /** A node of the cluster, by an id of this run. */
    _id: String,
    /** All devices that are connected to it were there until now. */
    seenAt: { type: Date, required: true },
    purgeAt: { type: Date, required: true },
  },
  { collection: 'delivery.nodes' },
);
nodeSchema.index({ purgeAt: 1 }, { expireAfterSeconds: 0 });

const keySchema = new Schema(
  {
    /** Site and idempotency key. */
    _id: String,
    bodyHash: { type: String, required: true },
    message: { type: String, required: true },
    /** JSON of the answer, once there is one. */
    answer: String,
    /** Lease of the call that holds the key. */
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

/** A mailbox: its devices, and how far each of them has acknowledged. */
export type DeliveryRecipient = InferSchemaType<typeof recipientSchema>;
/** One of {@link losses}. */
export type Loss = (typeof losses)[number];
/** One message for one recipient. */
export type DeliveryEntry = InferSchemaType<typeof entrySchema>;
/** A node that is running, or was lately. */
export type DeliveryNode = InferSchemaType<typeof nodeSchema>;
/** An idempotency key and what was answered. */
export type DeliveryKey = InferSchemaType<typeof keySchema>;
/** A push that is to be sent. */
export type DeliveryPush = InferSchemaType<typeof pushSchema>;

/** The models of acknowledged delivery on one connection. */
export const defineDelivery = (connection: Connection): DeliveryModels => ({
  DeliveryRecipient: connection.model<DeliveryRecipient>('DeliveryRecipient', recipientSchema),
  DeliveryEntry: connection.model<DeliveryEntry>('DeliveryEntry', entrySchema),
  DeliveryNode: connection.model<DeliveryNode>('DeliveryNode', nodeSchema),
  DeliveryKey: connection.model<DeliveryKey>('DeliveryKey', keySchema),
  DeliveryPush: connection.model<DeliveryPush>('DeliveryPush', pushSchema),
});

/** What {@link defineDelivery} makes. */
export interface DeliveryModels {
  readonly DeliveryRecipient: Model<DeliveryRecipient>;
  readonly DeliveryEntry: Model<DeliveryEntry>;
  readonly DeliveryNode: Model<DeliveryNode>;
  readonly DeliveryKey: Model<DeliveryKey>;
  readonly DeliveryPush: Model<DeliveryPush>;
}
