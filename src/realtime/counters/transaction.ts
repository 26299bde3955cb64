import type { ClientSession, Connection } from 'mongoose';

/** How often work is tried that fails for a reason the driver does not know to pass. */
const ATTEMPTS = 5;
const DUPLICATE_KEY = 11_000;

/**
 * Runs work in a transaction: all of it is stored or nothing, and it sees one state of the database. When another writer was
 * first it runs again, from the beginning.
 * @param isPassing errors besides the database's own after which it is worth another try
 */
export async function runTransaction<T>(
  connection: Connection,
  work: (session: ClientSession) => Promise<T>,
  isPassing: (error: unknown) => boolean = () => false,
): Promise<T> {
  const session = await connection.startSession();
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await session.withTransaction(() => work(session));
      } catch (error) {
        if (attempt === ATTEMPTS || !isPassing(error)) throw error;
      }
    }
  } finally {
    await session.endSession();
  }
}

/** Whether an error says that a document with the same key is there; `field` is one of the fields of the key. */
export function isDuplicateOf(error: unknown, field: string): boolean {
  if (!(error instanceof Error) || !('code' in error) || error.code !== DUPLICATE_KEY) return false;
  // A bulk write says so in the errors of its operations.
  const { keyPattern = {}, message } = error as Error & { keyPattern?: object };
  return field in keyPattern || message.includes(`${field}:`);
}
