import { decodeDocument } from '../bson/decode.js';
import { type Document, setField } from '../bson/values.js';
import { ProtocolError } from './framer.js';

const OP_QUERY = 2004;
const OP_MSG = 2013;

const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 1 << 16;
/** Unknown flags among the lower 16 bits are errors; unknown flags among the upper bits are ignored. */
const REQUIRED_FLAGS = 0xffff;

/** A decoded command message. */
export interface Message {
  readonly requestId: number;
  readonly command: Document;
  readonly database: string;
  /** Whether the client expects no reply, as for unacknowledged writes. */
  readonly isFireAndForget: boolean;
  /** Whether the message is an OP_QUERY, which drivers send only as first hello. Its reply is an OP_REPLY. */
  readonly isLegacy: boolean;
}

/**
 * Decodes a message.
 * @throws ProtocolError for another opcode, an unknown required flag, or malformed bytes
 */
export function parseMessage(bytes: Buffer): Message {
  const opcode = bytes.readInt32LE(12);
  try {
    if (opcode === OP_MSG) return parseOpMsg(bytes);
    if (opcode === OP_QUERY) return parseOpQuery(bytes);
  } catch (error) {
    throw error instanceof ProtocolError ? error : new ProtocolError((error as Error).message);
  }
  throw new ProtocolError(`opcode ${opcode}`);
}

function parseOpMsg(bytes: Buffer): Message {
  const flags = bytes.readUInt32LE(16);
  if ((flags & REQUIRED_FLAGS & ~(CHECKSUM_PRESENT | MORE_TO_COME | EXHAUST_ALLOWED)) !== 0) {
    throw new ProtocolError(`message flags ${flags}`);
  }
  const end = bytes.length - (flags & CHECKSUM_PRESENT ? 4 : 0);
  let command: Document | undefined;
  const sequences: [string, Document[]][] = [];
  for (let position = 20; position < end; ) {
    const kind = bytes[position];
    const size = bytes.readInt32LE(position + 1);
    if (size < 5 || position + 1 + size > end) throw new ProtocolError('section length out of bounds');
    if (kind === 0) {
      if (command) throw new ProtocolError('two bodies');
      command = decodeDocument(bytes, position + 1);
    } else if (kind === 1) {
      sequences.push(parseSequence(bytes, position + 1, size));
    } else {
      throw new ProtocolError(`section kind ${kind}`);
    }
    position += 1 + size;
  }
  if (!command) throw new ProtocolError('no body');
  for (const [name, documents] of sequences) setField(command, name, documents);
  return {
    requestId: bytes.readInt32LE(4),
    command,
    database: String(command['$db'] ?? 'admin'),
    isFireAndForget: (flags & MORE_TO_COME) !== 0,
    isLegacy: false,
  };
}

function parseSequence(bytes: Buffer, start: number, size: number): [string, Document[]] {
  const nameEnd = bytes.indexOf(0, start + 4);
  const end = start + size;
  if (nameEnd === -1 || nameEnd >= end) throw new ProtocolError('unterminated sequence name');
  const documents: Document[] = [];
  for (let position = nameEnd + 1; position < end; ) {
    const length = bytes.readInt32LE(position);
    if (length < 5 || position + length > end) throw new ProtocolError('document length out of bounds');
    documents.push(decodeDocument(bytes, position));
    position += length;
  }
  return [bytes.toString('utf8', start + 4, nameEnd), documents];
}

function parseOpQuery(bytes: Buffer): Message {
  const nameEnd = bytes.indexOf(0, 20);
  if (nameEnd === -1) throw new ProtocolError('unterminated collection name');
  const namespace = bytes.toString('utf8', 20, nameEnd);
  if (!namespace.endsWith('.$cmd')) throw new ProtocolError(`OP_QUERY on ${namespace}`);
  const query = decodeDocument(bytes, nameEnd + 1 + 8);
  const command = (query['$query'] ?? query) as Document;
  return {
    requestId: bytes.readInt32LE(4),
    command,
    database: namespace.slice(0, -'.$cmd'.length),
    isFireAndForget: false,
    isLegacy: true,
  };
}
