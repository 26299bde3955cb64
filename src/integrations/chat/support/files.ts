import type { Readable } from 'node:stream';
import { isObjectIdOrHexString, Types } from 'mongoose';
import type { z } from 'zod';
import type { supportFile, supportPayloads } from '#shared/contracts/support-parts.js';
import type { SupportFile } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import { invalid } from '../../../errors.js';
import type { Work } from '../../../realtime/work.js';
import { type Authentication, ChatError } from '../shared/index.js';
import { type Access, type ConversationAccess, ensureHeard, ensureOpen } from './access.js';
import { detectType, isImage } from './content-type.js';
import { toSafeName } from './file-name.js';
import type { FileStore, Part, StoredFile } from './file-store.js';
import type { createFindSaid } from './log.js';
import type { Meter } from './meter.js';
import { type Identity, ownRoomOf, toIdentity } from './people.js';
import type { Send } from './send.js';
import { toWireFile } from './to-wire.js';

/** Maximum total size of files that a node stores at once, as a multiple of the largest file. */
const UPLOADS_MAX = 8;
/** The same for one person. */
const UPLOADS_OF_ONE_MAX = 4;

/** A file that the caller can read. */
export interface Download {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  /** `undefined`: the whole file. */
  readonly part: Part | undefined;
  /** The bytes of the part. */
  content(): Readable;
}

type WireFile = z.output<typeof supportFile>;
type Meta = NonNullable<z.output<typeof supportPayloads.file>[1]>;

interface Dependencies {
  findStored: ReturnType<typeof createFindSaid>;
  access: ConversationAccess;
  authentication: Authentication;
  store: FileStore;
  send: Send;
  /** Of files. */
  meter: Meter;
  work: Work;
  /** Maximum size of a file in bytes. */
  sizeMax: number;
}

/** Uploads and downloads of files. */
export function createFiles({ findStored, access, authentication, store, send, meter, work, sizeMax }: Dependencies) {
  let uploading = 0;
  const uploadingOf = new Map<string, number>();

  const occupy = (owner: string, bytes: number): void => {
    uploading += bytes;
    const own = (uploadingOf.get(owner) ?? 0) + bytes;
    if (own === 0) uploadingOf.delete(owner);
    else uploadingOf.set(owner, own);
  };

  /** Runs an upload if there is room for it. @throws ChatError `UNAVAILABLE` */
  const withRoom = async <T>(owner: string, bytes: number, task: () => Promise<T>): Promise<T> => {
    const own = (uploadingOf.get(owner) ?? 0) + bytes;
    if (uploading + bytes > UPLOADS_MAX * sizeMax || own > UPLOADS_OF_ONE_MAX * sizeMax) {
      throw new ChatError('UNAVAILABLE', 'Too many files at the moment', { retryAfterMs: 1000 });
    }
    occupy(owner, bytes);
    try {
      return await task();
    } finally {
      occupy(owner, -bytes);
    }
  };

  const keep = async (content: Uint8Array, owner: Identity, meta: Meta | undefined): Promise<SupportFile> => {
    const fileName = toSafeName(meta?.fileName ?? '');
    const fileType = await detectType(content, { mimeType: meta?.mimeType, fileName });
    const conversationId = meta === undefined ? null : new Types.ObjectId(meta.conversationId);
    const metadata = { owner, conversationId, type: fileType };
    const fileId = await store.add(content, { name: fileName, metadata });
    return { fileId, fileName, fileSize: content.byteLength, fileType };
  };

  /** Sends the message of a file. If that fails the file is never referenced. */
  const announceFile = async (principal: Principal, file: SupportFile, meta: Meta): Promise<WireFile> => {
    const { conversationId, clientMessageId } = meta;
    const type = isImage(file.fileType) ? 'image' : 'file';
    const draft = { conversationId, clientMessageId, content: file.fileName, type, file } as const;
    let posted: WireFile | null = null;
    try {
      const sent = await send(principal, draft);
      ensureOfFile(sent);
      posted = sent.file;
    } finally {
      // The message was refused, or an earlier call stored it with another copy.
      await (posted?.fileId === file.fileId.toHexString() ? store.settle : store.discard)(file.fileId);
    }
    return posted ?? toWireFile(file);
  };

  /** The file of a retry. It is looked for before limits are checked, which apply to new files. */
  const findFile = async ({ caller, conversation }: Access, { clientMessageId }: Meta): Promise<SupportFile | null> => {
    if (clientMessageId === undefined) return null;
    const sender = { senderId: caller.id, senderType: caller.kind };
    const stored = await findStored({ conversationId: conversation._id, ...sender, clientMessageId });
    if (stored !== null) ensureOfFile(stored);
    return stored?.file ?? null;
  };

  const ensureSize = ({ byteLength }: Uint8Array): void => {
    if (byteLength > sizeMax) throw new ChatError('FILE_TOO_LARGE', 'The file is too large', { maxBytes: sizeMax });
    if (byteLength === 0) throw invalid('0', 'must not be empty');
  };

  const ensureReadable = async (principal: Principal, { metadata }: StoredFile): Promise<void> => {
    const { owner, conversationId } = metadata;
    if (conversationId != null) {
      await access.open(principal, conversationId.toHexString());
      return;
    }
    await authentication.callerOf(principal);
    const { kind, id } = toIdentity(principal);
    if (owner.kind !== kind || owner.id !== id) throw notFound();
  };

  return {
    /**
     * Stores a file; with `meta` it is also posted in a conversation.
     * @throws ChatError `FILE_TOO_LARGE`, `QUOTA_EXCEEDED`; `CONFLICT` for the `clientMessageId` of a message without a file
     */
    async upload(principal: Principal, content: Uint8Array, meta: Meta | undefined): Promise<WireFile> {
      const owner = toIdentity(principal);
      const opened = meta === undefined ? undefined : await access.open(principal, meta.conversationId);
      if (opened !== undefined && meta !== undefined) {
        const stored = await findFile(opened, meta);
        if (stored !== null) return toWireFile(stored);
      }
      ensureSize(content);
      await meter.consume(owner);
      return withRoom(ownRoomOf(owner), content.byteLength, async () => {
        if (meta === undefined || opened === undefined) {
          await authentication.callerOf(principal);
          return toWireFile(await keep(content, owner, undefined));
        }
        ensureOpen(opened.conversation);
        ensureHeard(opened);
        return announceFile(principal, await keep(content, owner, meta), meta);
      });
    },

    /**
     * @param toPart what is wanted of a file of so many bytes
     * @throws ChatError `NOT_FOUND` for an unknown file, or one without access
     */
    async open(principal: Principal, id: string, toPart: (size: number) => Part | undefined): Promise<Download> {
      const file = isObjectIdOrHexString(id) ? await store.find(id) : undefined;
      if (file === undefined) throw notFound();
      await ensureReadable(principal, file).catch((error: unknown) => {
        throw error instanceof ChatError && error.code === 'NOT_FOUND' ? notFound() : error;
      });
      const { filename: name, length: size, metadata } = file;
      const part = toPart(size);
      await work.pay(principal, { bytes: part === undefined ? size : part.end - part.start });
      return { name, size, type: metadata.type, part, content: () => store.read(file._id, part) };
    },
  };
}

/**
 * The answer to an upload names a file, so it cannot be the text that was sent with the same `clientMessageId`. A deleted message had a
 * file.
 */
function ensureOfFile({ file, isDeleted }: { readonly file?: object | null; readonly isDeleted?: boolean }): void {
  if (file == null && isDeleted !== true)
    throw new ChatError('CONFLICT', 'The clientMessageId is that of another message');
}

const notFound = () => new ChatError('NOT_FOUND', 'File not found or access denied');
