import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { mongo, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { Identity } from './people.js';

/** A file as it is stored: GridFS, in the collections `support.files.files` and `support.files.chunks`. */
export interface StoredFile {
  readonly _id: Types.ObjectId;
  readonly length: number;
  readonly filename: string;
  readonly metadata: FileMetadata;
}

/** Whose a file is, and what was found out about it. */
export interface FileMetadata {
  readonly owner: Identity;
  /** The conversation to which it was sent; `null`: none, and nobody but its owner may read it. */
  readonly conversationId: Types.ObjectId | null;
  readonly type: string;
}

/** The content of files. */
export interface FileStore {
  add(content: Uint8Array, file: { name: string; metadata: FileMetadata }): Promise<Types.ObjectId>;
  find(id: string): Promise<StoredFile | undefined>;
  read(id: Types.ObjectId): Readable;
  /** Takes a file away; one that is gone already is no error. Never rejects. */
  discard(id: Types.ObjectId): Promise<void>;
  /** Takes away what nodes have left that died in the middle of an upload. */
  sweep(): Promise<void>;
}

const BUCKET = 'support.files';
/** An upload that began longer ago than this is going on nowhere. */
const ABANDONED_MS = 3_600_000;
const SWEEP_MAX = 1000;

interface Dependencies {
  models: Pick<Models, 'SupportUpload'>;
  clock: Clock;
  logger: Logger;
}

/**
 * Keeps files in GridFS. GridFS writes the content first and the file last, so a node that dies between leaves content that
 * belongs to nothing and that nobody would find: each upload is noted before it begins, and the note goes when it is done.
 */
export function createFileStore({ models: { SupportUpload: Upload }, clock, logger }: Dependencies): FileStore {
  let opened: mongo.GridFSBucket | undefined;
  /** One for all, because each looks for its indexes before its first upload. */
  const bucket = (): mongo.GridFSBucket => {
    const { db } = Upload.db;
    if (db === undefined) throw new Error('the database is not connected');
    opened ??= new mongo.GridFSBucket(db, { bucketName: BUCKET });
    return opened;
  };

  const remove = (id: Types.ObjectId): Promise<void> =>
    bucket()
      .delete(id)
      .catch((error: unknown) => {
        // The driver's word for a file without an entry; its content is gone all the same.
        if (!(error instanceof Error) || !error.message.startsWith('File not found')) throw error;
      });

  const discard = (id: Types.ObjectId): Promise<void> =>
    remove(id).catch((error: unknown) => logger.error({ err: error }, 'support: a file could not be taken away'));

  return {
    async add(content, { name, metadata }) {
      const _id = new Types.ObjectId();
      await Upload.insertMany([{ _id, beganAt: new Date(clock.now()) }]);
      try {
        await pipeline([content], bucket().openUploadStreamWithId(_id, name, { metadata: { ...metadata } }));
      } catch (error) {
        await discard(_id);
        throw error;
      } finally {
        await Upload.deleteOne({ _id });
      }
      return _id;
    },
    async find(id) {
      const [found] = await bucket()
        .find({ _id: new Types.ObjectId(id) })
        .limit(1)
        .toArray();
      return found as StoredFile | undefined;
    },
    read: (id) => bucket().openDownloadStream(id),
    discard,
    async sweep() {
      const abandoned = await Upload.find({ beganAt: { $lt: new Date(clock.now() - ABANDONED_MS) } })
        .limit(SWEEP_MAX)
        .lean();
      for (const { _id } of abandoned) {
        await remove(_id);
        await Upload.deleteOne({ _id });
      }
    },
  };
}
