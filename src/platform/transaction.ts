import type { ClientSession, Connection } from 'mongoose';

/** How often work is run that fails for a reason which the driver does not retry. */
const ATTEMPTS = 5;

/**
 * Runs work in a transaction: all of it is stored or nothing, and it sees one state of the database. Runs it again from the
 * beginning when another writer was first.
 * @param isTransient errors besides those of the driver after which another attempt can succeed
 */
export async function runTransaction<T>(
  connection: Connection,
  work: (session: ClientSession) => Promise<T>,
  isTransient: (error: unknown) => boolean = () => false,
): Promise<T> {
  const session = await connection.startSession();
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await session.withTransaction(() => work(session));
      } catch (error) {
        if (attempt === ATTEMPTS || !isTransient(error)) throw error;
      }
    }
  } finally {
    await session.endSession();
  }
}
