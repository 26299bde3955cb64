import type { Connection } from 'mongoose';

/** Connections that lead to a `mongos`. */
const sharded = new WeakSet<object>();

/** Whether the server is a `mongos`. Remembers it for {@link isOnShards}. */
export async function readIsOnShards(connection: Connection): Promise<boolean> {
  const hello = await connection.db?.admin().command({ hello: 1 });
  if (hello?.['msg'] !== 'isdbgrid') return false;
  sharded.add(connection);
  return true;
}

/** Whether a connection leads to a `mongos`, as far as {@link readIsOnShards} was asked. */
export const isOnShards = (connection: Connection): boolean => sharded.has(connection);
