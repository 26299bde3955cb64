import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

/**
 * Why a message expires without delivery to a device: its `ttl` has run out, too many messages waited, the device was away for
 * too long or was forgotten, the device has missed a message that it cannot do without and starts over, its queue was cleared, or
 * what is stored of the message cannot be read.
 */
export const expiryReasons = ['ttl', 'overflow', 'device', 'resync', 'cleared', 'unreadable'] as const;

const recipientSchema = new Schema(
  {
    /** JSON of site and user id. */
    _id: String,
    /** What is above this position, and was stored while there was no device, waits for the first that connects. */
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
        /** By namespace: the highest position that was sent to a socket. */
        sent: Schema.Types.Mixed,
        /** When the device connected or disconnected last. The heartbeats of its nodes are later. */
        seenAt: Date,
        connectedAt: Date,
        /** The nodes that the device is connected to. */
        nodes: { type: [String], default: undefined },
      },
    ],
    /** Devices that have lost messages and get `_resync` when they connect next; `null`: the first device that connects. */
    resyncFlags: { type: [String], default: undefined },
    /** There were too many flags: every device that is not known counts as flagged. */
    flagsUnknownDevices: Boolean,
    /** What has expired lately, for diagnostics: all messages up to `upTo` that `acked` does not cover. */
    expirations: [
      {
        _id: false,
        /** `null`: no device was known. */
        device: String,
        reason: { type: String, enum: expiryReasons },
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
    /** Of the call that sent it. */
    requestId: String,
    /** The node that took that call, and the name of its API key. */
    origin: { node: String, key: String },
    /** The span of that call, as W3C Trace Context has it. */
    traceparent: String,
    /** When the purge looks at it next. */
    checkAt: { type: Date, required: true },
    /** Not delivered after this. */
    expireAt: Date,
    isResync: Boolean,
    /** Who acknowledged it, and when, is noted in `outcomes`. */
    keepsReceipt: Boolean,
    /** A push follows unless a device acknowledges. */
    hasPush: Boolean,
    pushedAt: Date,
    /** What it came to on single devices. */
    outcomes: {
      type: [
        {
          _id: false,
          device: String,
          at: Date,
          /** Absent: the device acknowledged it. */
          expiry: { type: String, enum: expiryReasons },
          /** The message is not for this device. */
          isExcluded: Boolean,
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
/** One of {@link expiryReasons}. */
export type ExpiryReason = (typeof expiryReasons)[number];
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
