import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { openLogForReading } from '../store/disk-storage.js';
import { reviewLog } from '../store/recovery.js';
import type { LogFile } from '../store/storage.js';

/*
 * A backup is a line of text with its format, the size of the log and the time; the log; and the SHA-256 of all before it.
 */
const HEADER = /^general-socket backup 1, (\d{16}) bytes of log, (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n$/;
const HEADER_BYTES = toHeader(0, new Date(0)).length;
const DIGEST_BYTES = 32;
const CHUNK_BYTES = 4 * 1024 * 1024;

function toHeader(size: number, createdAt: Date): Buffer {
  const digits = String(size).padStart(16, '0');
  return Buffer.from(`general-socket backup 1, ${digits} bytes of log, ${createdAt.toISOString()}\n`);
}

/** A verified backup. */
export interface BackupFile {
  readonly createdAt: Date;
  readonly log: LogFile;
  close(): void;
}

/** Copies a log without damage to a new file. @throws the reason of the signal when it is aborted */
export async function writeBackup(log: LogFile, path: string, signal?: AbortSignal): Promise<void> {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    const digest = createHash('sha256');
    const write = (bytes: Buffer): void => {
      signal?.throwIfAborted();
      digest.update(bytes);
      writeFully(descriptor, bytes);
    };
    write(toHeader(log.size, new Date()));
    await copyLog(log, write);
    writeFully(descriptor, digest.digest());
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads a log in chunks. Signals are handled between them. @throws Error when the file is shorter than its size */
export async function copyLog(log: LogFile, write: (bytes: Buffer) => void): Promise<void> {
  for (let position = 0; position < log.size; ) {
    const bytes = log.read(position, Math.min(CHUNK_BYTES, log.size - position));
    if (bytes.length === 0) throw new Error(`the log ended at byte ${position} of ${log.size}`);
    write(bytes);
    position += bytes.length;
    await new Promise(setImmediate);
  }
}

/** Writes all bytes at the end of a file. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) {
    offset += writeSync(descriptor, bytes, offset, bytes.length - offset);
  }
}

/** Opens a backup and verifies every byte of it. @throws Error saying what is wrong */
export async function openBackup(path: string): Promise<BackupFile> {
  const file = openLogForReading(path);
  try {
    const [header, size, createdAt] = HEADER.exec(file.read(0, HEADER_BYTES).toString('latin1')) ?? [];
    if (header === undefined) throw new Error(`${path} is not a backup, or its first line is damaged`);
    const expected = HEADER_BYTES + Number(size) + DIGEST_BYTES;
    if (file.size !== expected) throw new Error(`${path} is not complete: it has ${file.size} of ${expected} bytes`);
    const digest = createHash('sha256');
    await copyLog({ ...file, id: file.id, size: expected - DIGEST_BYTES }, (bytes) => void digest.update(bytes));
    ensureDigest(digest, file.read(expected - DIGEST_BYTES, DIGEST_BYTES), path);
    const log = toLog(file, Number(size));
    const { damage } = reviewLog({ file: log, name: path, recordedSize: undefined });
    if (damage !== undefined) throw new Error(damage);
    return { createdAt: new Date(createdAt ?? ''), log, close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

function ensureDigest(computed: Hash, stored: Buffer, path: string): void {
  if (!computed.digest().equals(stored)) throw new Error(`${path} is damaged: its checksum is wrong`);
}

/** The log inside a backup. */
const toLog = (file: LogFile, size: number): LogFile => ({
  ...file,
  id: file.id,
  size,
  read: (position, length) => file.read(HEADER_BYTES + position, Math.max(0, Math.min(length, size - position))),
});
