import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { mongo, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { SupportUpload } from '#shared/models/support-upload.js';
import { isPlain, readId } from '../../../models/index.js';
import type { Logger } from '../../../platform/logging/logger.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import { runTransaction } from '../../../platform/mongo/transaction.js';
import type { Clock } from '../../../platform/time/clock.js';
import { ChatError } from '../shared/index.js';
import type { Identity } from './people.js';

/** A stored file: GridFS, in the collections `support.files.files` and `support.files.chunks`. */
export interface StoredFile {
  readonly _id: Types.ObjectId;
  readonly length: number;
  readonly filename: string;
  readonly metadata: FileMetadata;
}

/** The owner and metadata of a file. */
interface FileMetadata {
  readonly owner: Identity;
  /** The conversation that it was sent to; `null`: none, and only its owner can read it. */
  readonly conversationId: Types.ObjectId | null;
  readonly type: string;
}

/** Bytes of a file from one to before another. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** Stores the content of files. */
export interface FileStore {
  /** Stores a file, which expires unless it is settled. @throws ChatError `QUOTA_EXCEEDED` */
  add(content: Uint8Array, file: { name: string; metadata: FileMetadata }): Promise<Types.ObjectId>;
  /** Keeps a file whose message was stored. Never rejects. */
  settle(id: Types.ObjectId): Promise<void>;
  find(id: string): Promise<StoredFile | undefined>;
  /** @param part absent: all of it */
  read(id: Types.ObjectId, part?: Part): Readable;
  /** To be called before the message of a file is deleted: the file goes with it, also when this node does not get that far. */
  release(id: Types.ObjectId, message: Pick<SupportMessage, 'timestamp'>): Promise<void>;
  /** Deletes a file. Idempotent. Never rejects. */
  discard(id: Types.ObjectId): Promise<void>;
  /** Deletes expired files, and the remains of uploads of dead nodes. Several nodes can run it at once. */
  sweep(): Promise<void>;
}

/** An upload record as it may be stored. */
type DueUpload = Pick<SupportUpload, '_id' | 'conversationId'> & { readonly beganAt?: Date | undefined };

const BUCKET = 'support.files';
/** The message of a file is stored within this time, or never. */
const ABANDONED_MS = 3_600_000;
const SWEEP_MAX = 1000;

interface Dependencies {
  models: Pick<Models, 'SupportUpload' | 'SupportUsage' | 'SupportMessage'>;
  clock: Clock;
  logger: Logger;
  /** Quota of one person in bytes; 0: unlimited. */
  quotaBytes: number;
  /** Lifetime of a file without a conversation. */
  unsentTtlMs: number;
}

/**
 * Stores files in GridFS, which writes the content first and the file document last, and deletes in the other order: a node
 * that crashes in between leaves unreferenced content. So an upload record is stored before the file, together with the
 * owner's usage, and deleted when the message of the file is stored. Such a record is also stored before the message is deleted. A
 * file is deleted in three steps that can be repeated:
 * the usage and the file document in one transaction, then the content, then the record.
 */
export function createFileStore(dependencies: Dependencies): FileStore {
  const { models, clock, logger, quotaBytes, unsentTtlMs } = dependencies;
  const { SupportUpload: Upload, SupportUsage: Usage, SupportMessage: Message } = models;
  let opened: mongo.GridFSBucket | undefined;
  const database = (): NonNullable<typeof Upload.db.db> => {
    const { db } = Upload.db;
    if (db === undefined) throw new Error('the database is not connected');
    return db;
  };
  /** A single bucket, because each checks its indexes before its first upload. */
  const bucket = (): mongo.GridFSBucket => {
    opened ??= new mongo.GridFSBucket(database(), { bucketName: BUCKET });
    return opened;
  };

  /** Stores the upload record and the usage in one transaction. */
  const note = (upload: SupportUpload): Promise<void> =>
    runTransaction(
      Upload.db,
      async (session) => {
        const usage = await Usage.findOneAndUpdate(
          { _id: usageIdOf(upload.owner) },
          [{ $set: { bytes: { $add: [COUNTED, upload.bytes] } } }],
          { upsert: true, returnDocument: 'after', session, updatePipeline: true },
        ).lean();
        if (quotaBytes > 0 && (usage?.bytes ?? 0) > quotaBytes) {
          throw new ChatError('QUOTA_EXCEEDED', 'There is no room for more files', { quotaBytes });
        }
        await Upload.insertMany([upload], { session });
      },
      // Two concurrent first files of one person.
      { isTransient: (error) => isDuplicateKey(error, '_id') },
    );

  /** @returns whether the file existed */
  const uncount = (_id: Types.ObjectId): Promise<boolean> =>
    runTransaction(Upload.db, async (session) => {
      const upload = await Upload.findById(_id, null, { session }).lean();
      const file = (await database()
        .collection(`${BUCKET}.files`)
        .findOneAndDelete({ _id }, { session })) as mongo.GridFSFile | null;
      const owner = upload?.owner ?? ownerOf(file?.metadata?.['owner']);
      if (owner === undefined) return false;
      const now = new Date(clock.now());
      await Upload.updateOne(
        { _id },
        { $set: { owner, bytes: 0, expiresAt: now }, $setOnInsert: { conversationId: null, beganAt: now } },
        { upsert: true, session },
      );
      const bytes = typeof file?.length === 'number' ? file.length : (upload?.bytes ?? 0);
      // Files from before the quota have no usage to subtract.
      const left = { $max: [0, { $subtract: [COUNTED, bytes] }] };
      await Usage.updateOne({ _id: usageIdOf(owner) }, [{ $set: { bytes: left } }], { session, updatePipeline: true });
      return true;
    });

  const remove = async (_id: Types.ObjectId): Promise<void> => {
    if (!(await uncount(_id))) return;
    await database().collection(`${BUCKET}.chunks`).deleteMany({ files_id: _id });
    await Upload.deleteOne({ _id });
  };

  const discard = (id: Types.ObjectId): Promise<void> =>
    remove(id).catch((error: unknown) => logger.error({ err: error }, 'support: deleting a file failed'));

  /** Whether the message is stored: a node died before it settled the file, or before it deleted the message. */
  const isSaid = async ({ _id, conversationId, beganAt }: DueUpload): Promise<boolean> => {
    if (conversationId == null) return false;
    // When it began is not known: the message can be of any time.
    if (beganAt == null) return (await Message.exists({ conversationId, 'file.fileId': _id })) !== null;
    // Clocks differ.
    const [from, to] = [beganAt.getTime() - ABANDONED_MS, beganAt.getTime() + 2 * ABANDONED_MS];
    const timestamp = { $gte: new Date(from), $lte: new Date(to) };
    return (await Message.exists({ conversationId, timestamp, 'file.fileId': _id })) !== null;
  };

  const settleDue = async (upload: DueUpload): Promise<void> => {
    if (await isSaid(upload)) await Upload.deleteOne({ _id: upload._id });
    else await remove(upload._id);
  };

  return {
    async add(content, { name, metadata }) {
      const _id = new Types.ObjectId();
      const { owner, conversationId } = metadata;
      const beganAt = new Date(clock.now());
      const keptMs = conversationId === null ? unsentTtlMs : ABANDONED_MS;
      const expiresAt = new Date(clock.now() + keptMs);
      await note({ _id, owner, conversationId, bytes: content.byteLength, beganAt, expiresAt });
      try {
        await pipeline([content], bucket().openUploadStreamWithId(_id, name, { metadata: { ...metadata } }));
      } catch (error) {
        await discard(_id);
        throw error;
      }
      return _id;
    },
    settle: (_id) =>
      Upload.deleteOne({ _id }).then(
        () => undefined,
        (error: unknown) => logger.warn({ err: error }, 'support: sweeping a file failed; retrying'),
      ),
    async find(id) {
      const [found] = await bucket()
        .find({ _id: new Types.ObjectId(id) })
        .limit(1)
        .toArray();
      return found === undefined ? undefined : toStored(found);
    },
    read: (id, part) => bucket().openDownloadStream(id, part),
    async release(_id, { timestamp: beganAt }) {
      const file = (await database().collection(`${BUCKET}.files`).findOne({ _id })) as mongo.GridFSFile | null;
      const stored = file === null ? undefined : toStored(file);
      if (stored === undefined) return;
      const { owner, conversationId } = stored.metadata;
      const expiresAt = new Date(clock.now() + ABANDONED_MS);
      // What it counts is what is stored of it.
      const record = { owner, conversationId, bytes: 0, beganAt, expiresAt };
      await Upload.updateOne({ _id }, { $setOnInsert: record }, { upsert: true });
    },
    discard,
    async sweep() {
      const due = await Upload.find({ expiresAt: { $lte: new Date(clock.now()) } })
        .sort({ expiresAt: 1 })
        .limit(SWEEP_MAX)
        .lean();
      const failed: unknown[] = [];
      for (const upload of due) {
        // One failure must not block the others.
        await settleDue(upload).catch((error: unknown) => failed.push(error));
      }
      if (failed.length > 0) throw failed[0];
    },
  };
}

/** What an owner has stored; nothing when that is no number. */
const COUNTED = { $cond: [{ $isNumber: '$bytes' }, '$bytes', 0] };

/** @returns `undefined` for a file whose owner or size cannot be read: no user can be allowed to read it */
function toStored({ _id, length, filename, metadata }: mongo.GridFSFile): StoredFile | undefined {
  const { owner: stored, conversationId, type } = isPlain(metadata) ? metadata : {};
  const owner = ownerOf(stored);
  if (owner === undefined || !Number.isSafeInteger(length) || length < 0) return undefined;
  const isTyped = typeof type === 'string' && type !== '';
  return {
    _id,
    length,
    filename: typeof filename === 'string' ? filename : '',
    metadata: {
      owner,
      conversationId: readId(conversationId) ?? null,
      type: isTyped ? type : 'application/octet-stream',
    },
  };
}

function ownerOf(stored: unknown): Identity | undefined {
  if (!isPlain(stored) || typeof stored['id'] !== 'string') return undefined;
  const { kind, id } = stored;
  return kind === 'user' || kind === 'visitor' ? { kind, id } : undefined;
}

const usageIdOf = ({ kind, id }: Identity): string => `${kind}:${id}`;
