import { randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { makeDirectory } from '../platform/data-directory.js';

const FILE_NAME = 'jwt-secret';

/**
 * The token secret for development when none is configured: 32 random bytes in hex. Created once in
 * `<directory>/jwt-secret`, readable by the owner only.
 *
 * @throws Error when the file has other content, or the directory is not writable
 */
export async function ensureDevelopmentSecret(directory: string): Promise<string> {
  const path = join(directory, FILE_NAME);
  return (await readSecret(path)) ?? (await makeSecret(directory, path));
}

async function makeSecret(directory: string, path: string): Promise<string> {
  makeDirectory(resolve(directory));
  const draft = join(directory, `${FILE_NAME}.${randomUUID()}`);
  try {
    await writeDurably(draft, randomBytes(32).toString('hex'));
    // A link is created atomically and never replaces a file. Of concurrent processes one succeeds; the others read its
    // secret.
    await link(draft, path).catch(ignoreCode('EEXIST'));
  } finally {
    await rm(draft, { force: true });
  }
  const secret = await readSecret(path);
  if (secret === undefined) throw new Error(`${path} disappeared while it was created`);
  return secret;
}

async function readSecret(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(ignoreCode('ENOENT'));
  if (text === undefined) return undefined;
  const secret = text.trim();
  if (!/^[0-9a-f]{64}$/.test(secret)) throw new Error(`${path} is not a generated secret; remove it to get a new one`);
  return secret;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

const ignoreCode =
  (code: string) =>
  (error: unknown): undefined => {
    if ((error as NodeJS.ErrnoException).code !== code) throw error;
  };
