import { encodeDocument } from '../../../src/embedded/bson/encode.js';
import { Database } from '../../../src/embedded/engine/database.js';
import { createDiskStorage } from '../../../src/embedded/store/disk-storage.js';

/** Everything that a start would find in a directory, as text. Repairs it as a start does. */
export function readDirectory(directory: string): string {
  const database = new Database({ storage: createDiskStorage(directory), onProblem: () => {} });
  const collections = database.databaseNames().flatMap((name) => database.collectionsOf(name));
  void database.close();
  return collections
    .flatMap(({ namespace, options, indexes, records }) => [
      `${namespace} ${JSON.stringify([options, [...indexes.values()].map((index) => [index.definition.spec, index.size])])}`,
      ...[...records.values()].map(({ document }) => encodeDocument(document).toString('hex')),
    ])
    .join('\n');
}
