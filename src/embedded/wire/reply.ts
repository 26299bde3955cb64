import { Double } from 'bson';
import { encodeDocument } from '../bson/encode.js';
import type { Document } from '../bson/values.js';
import type { Message } from './message.js';

/** The values of `ok`: doubles, and drivers of typed languages read them as such. */
export const SUCCEEDED = new Double(1);

/** The same of a command that failed. */
export const FAILED = new Double(0);

const OP_REPLY = 1;
const OP_MSG = 2013;
const AWAIT_CAPABLE = 8;

let lastRequestId = 0;

/** Encodes the reply to a message: OP_MSG, or OP_REPLY for a legacy message. */
export function encodeReply(message: Message, reply: Document): Buffer {
  const body = encodeDocument(reply);
  const headerBytes = message.isLegacy ? 36 : 21;
  const bytes = Buffer.allocUnsafe(headerBytes + body.length);
  lastRequestId = (lastRequestId + 1) & 0x7fffffff;
  bytes.writeInt32LE(bytes.length, 0);
  bytes.writeInt32LE(lastRequestId, 4);
  bytes.writeInt32LE(message.requestId, 8);
  if (message.isLegacy) {
    bytes.writeInt32LE(OP_REPLY, 12);
    bytes.writeInt32LE(AWAIT_CAPABLE, 16);
    bytes.fill(0, 20, 32);
    bytes.writeInt32LE(1, 32);
  } else {
    bytes.writeInt32LE(OP_MSG, 12);
    bytes.writeUInt32LE(0, 16);
    bytes[20] = 0;
  }
  bytes.set(body, headerBytes);
  return bytes;
}
