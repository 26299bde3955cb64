import type { Collation } from '../../bson/collation.js';
import type { Document } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ExpressionContext } from '../expressions/compiler.js';

/** The documents between two stages. The later stage pulls them one by one. */
export type Documents = Iterable<Document>;

/** A collection as stages read it. */
export interface AggregateCollection {
  /** Finds documents. They are the stored ones and must not be modified. */
  find(filter: Document, options?: { readonly sort?: Document; readonly limit?: number }): Documents;
  /** The result of `$indexStats`. */
  indexes(): Document[];
  /** The `storageStats` of `$collStats`. @param scale - the unit of sizes, as given */
  statistics(scale: unknown): Document;
}

/** The context of an aggregation. */
export interface AggregateContext {
  collection(name: string): AggregateCollection;
  readonly database: string;
  /** The collection the pipeline reads; `undefined` for `aggregate: 1`. */
  readonly source: string | undefined;
  readonly collation: Collation | undefined;
  /** The variables of the command's `let`, or of the enclosing stage. */
  readonly variables: Document | undefined;
  readonly now: Date;
  /** Whether a sort can exceed the memory limit that applies without disk use. */
  readonly allowDiskUse: boolean;
  /** @throws DatabaseError MaxTimeMSExpired */
  checkTime(): void;
}

/** A compiled pipeline inside a stage. */
export interface SubPipeline {
  run(input: Documents): Documents;
  /** Runs on a collection. The first stages can use the indexes of the collection. */
  runOn(collection: AggregateCollection): Documents;
}

/** The context in which stages are compiled. */
export interface StageContext extends AggregateContext {
  readonly expressions: ExpressionContext;
  /** Compiles a pipeline inside a stage, with the variables of the stage. */
  compileInner(stages: unknown, variables?: Document): SubPipeline;
}

/** A compiled stage. */
export type Stage = (input: Documents) => Documents;

/** Compiles the specification of a stage. */
export type StageCompiler = (specification: unknown, context: StageContext) => Stage;

/** The name of a stage and its compiler. */
export type StageEntry = readonly [name: string, compiler: StageCompiler];

/** A stage that maps each document. */
export function mapping(change: (document: Document) => Document): Stage {
  return function* mapDocuments(input) {
    for (const document of input) yield change(document);
  };
}

/** The most documents that a stage can collect, to bound memory. */
const MAX_HELD = 10_000_000;

/** Collects the input of a stage that needs all documents. @throws DatabaseError ExceededMemoryLimit */
export function collect(input: Documents): Document[] {
  const documents: Document[] = [];
  for (const document of input) {
    documents.push(document);
    if (documents.length > MAX_HELD) fail('ExceededMemoryLimit', `A stage exceeded its limit of ${MAX_HELD} documents`);
  }
  return documents;
}
