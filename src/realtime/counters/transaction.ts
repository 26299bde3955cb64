import { type ClientSession, type Connection, mongo as driver } from 'mongoose';

/** How often work, and its commit, is tried that fails for a reason the driver does not know to pass. */
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
  const session = withCommitThatIsRetried(await connection.startSession());
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

/**
 * The driver fails on the error of a socket that breaks in the moment of writing, because it looks for labels on it. Whether
 * the commit was done is unknown then; asked for again it is done once.
 */
function withCommitThatIsRetried(session: ClientSession): ClientSession {
  const commit = session.commitTransaction.bind(session);
  session.commitTransaction = async (options) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await commit(options);
      } catch (error) {
        if (attempt === ATTEMPTS || error instanceof driver.MongoError) throw error;
      }
    }
  };
  return session;
}

/** Whether an error says that a document with the same key is there; `field` is one of the fields of the key. */
export function isDuplicateOf(error: unknown, field: string): boolean {
  if (!(error instanceof Error) || !('code' in error) || error.code !== DUPLICATE_KEY) return false;
  // A bulk write says so in the errors of its operations.
  const { keyPattern = {}, message } = error as Error & { keyPattern?: object };
  return field in keyPattern || message.includes(`${field}:`);
}
