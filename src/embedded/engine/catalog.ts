import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import { Collection } from './collection.js';
import { toIndexDefinition } from './indexes/index-definition.js';

/** The collections, by name for commands and by id for the log. */
export class Catalog {
  readonly #byName = new Map<string, Map<string, Collection>>();
  readonly #byId = new Map<number, Collection>();
  #lastId = 0;

  /** An id that no collection has used. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /**
   * Like MongoDB, rejects a database whose name differs from another only by case.
   * @throws DatabaseError DatabaseDifferCase
   */
  ensureNoCaseConflict(database: string): void {
    if (this.#byName.has(database)) return;
    const other = this.databaseNames().find((name) => name.toLowerCase() === database.toLowerCase());
    if (other !== undefined) {
      fail(
        'DatabaseDifferCase',
        `db already exists with different case already have: [${other}] trying to create [${database}]`,
      );
    }
  }

  databaseNames(): string[] {
    return [...this.#byName.keys()];
  }

  collectionsOf(database: string): Collection[] {
    return [...(this.#byName.get(database)?.values() ?? [])];
  }

  get(database: string, name: string): Collection | undefined {
    return this.#byName.get(database)?.get(name);
  }

  byId(id: number): Collection | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<Collection> {
    return this.#byId.values();
  }

  attach(collection: Collection): void {
    let collections = this.#byName.get(collection.database);
    if (!collections) {
      collections = new Map();
      this.#byName.set(collection.database, collections);
    }
    collections.set(collection.name, collection);
    this.#byId.set(collection.id, collection);
    collection.isDropped = false;
  }

  detach(collection: Collection): void {
    const collections = this.#byName.get(collection.database);
    collections?.delete(collection.name);
    if (collections?.size === 0) this.#byName.delete(collection.database);
    this.#byId.delete(collection.id);
    collection.isDropped = true;
  }

  rename(collection: Collection, { database, name }: { database: string; name: string }): void {
    this.detach(collection);
    collection.database = database;
    collection.name = name;
    this.attach(collection);
  }

  /** Restores a collection from {@link describeCollection}. Its indexes are built after the whole log was read. */
  restore(id: number, description: Document): void {
    const { db: database, name } = description as { db: string; name: string };
    const options = description['options'] as Document;
    this.#lastId = Math.max(this.#lastId, id);
    let collection = this.#byId.get(id);
    if (collection) {
      this.rename(collection, { database, name });
      collection.options = options;
    } else {
      collection = new Collection({ id, database, name, options });
      this.attach(collection);
    }
    for (const indexName of [...collection.indexes.keys()]) {
      if (indexName !== '_id_') collection.indexes.delete(indexName);
    }
    for (const spec of description['indexes'] as Document[]) {
      // A stored specification inherits nothing: one without a collation is an index with simple comparison.
      collection.addIndex(toIndexDefinition(spec));
    }
  }
}

/** The log's description of a collection: everything except its documents. */
export const describeCollection = ({ database, name, options, indexes }: Collection): Document => ({
  db: database,
  name,
  options,
  indexes: [...indexes.values()].filter((index) => index.name !== '_id_').map((index) => index.definition.spec),
});

const MAX_NAMESPACE_BYTES = 255;
/** The system collections that clients can write to. */
const WRITABLE_SYSTEM: ReadonlySet<string> = new Set(['system.js', 'system.users', 'system.roles', 'system.version']);

/** Checks the names of a database and a collection. @throws DatabaseError InvalidNamespace */
export function ensureNamespace(database: string, name: string): void {
  if (database === '' || /[/\\. "$*<>:|?\0]/.test(database) || Buffer.byteLength(database) > 63) {
    fail('InvalidNamespace', `Invalid database name: '${database}'`);
  }
  if (name.startsWith('system.') && !WRITABLE_SYSTEM.has(name)) {
    fail('InvalidNamespace', `Invalid system namespace: ${database}.${name}`);
  }
  const isInvalid =
    name === '' || name.startsWith('.') || name.endsWith('.') || name.includes('\0') || name.includes('$');
  if (isInvalid) fail('InvalidNamespace', `Invalid collection name: ${name}`);
  if (Buffer.byteLength(`${database}.${name}`) > MAX_NAMESPACE_BYTES) {
    fail('InvalidNamespace', `Fully qualified namespace is too long. Namespace: ${database}.${name} Max: 255`);
  }
}
