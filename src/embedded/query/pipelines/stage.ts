import type { Collation } from '../../bson/collation.js';
import type { Document } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ExpressionContext } from '../expressions/compiler.js';

/** Documents from stage to stage; each is pulled when the next stage wants it. */
export type Documents = Iterable<Document>;

/** What a stage reads of another collection. */
export interface AggregateCollection {
  /** Stored documents: they are shared, and never changed. */
  find(filter: Document, options?: { readonly sort?: Document; readonly limit?: number }): Documents;
  /** What `$indexStats` answers. */
  indexes(): Document[];
  /** What `$collStats` answers as `storageStats`. */
  statistics(): Document;
}

/** What an aggregation is run in. */
export interface AggregateContext {
  collection(name: string): AggregateCollection;
  readonly database: string;
  /** The collection the pipeline reads; `undefined` for `aggregate: 1`. */
  readonly source: string | undefined;
  readonly collation: Collation | undefined;
  /** The command's `let`, or the variables of the stage around. */
  readonly variables: Document | undefined;
  readonly now: Date;
  /** Whether a sort may hold more than MongoDB lets it without the disk. */
  readonly allowDiskUse: boolean;
  /** @throws DatabaseError MaxTimeMSExpired */
  checkTime(): void;
}

/** A pipeline inside a stage. */
export interface SubPipeline {
  run(input: Documents): Documents;
  /** Runs it on a collection, its first stages by the collection's indexes. */
  runOn(collection: AggregateCollection): Documents;
}

/** What compiling a stage needs. */
export interface StageContext extends AggregateContext {
  readonly expressions: ExpressionContext;
  /** Compiles a pipeline inside a stage, with the variables the stage gives it. */
  compileInner(stages: unknown, variables?: Document): SubPipeline;
}

/** A compiled stage. */
export type Stage = (input: Documents) => Documents;

/** Compiles a stage's specification. */
export type StageCompiler = (specification: unknown, context: StageContext) => Stage;

/** A stage under the name pipelines know it by. */
export type StageEntry = readonly [name: string, compiler: StageCompiler];

/** A stage that changes each document by itself. */
export function mapping(change: (document: Document) => Document): Stage {
  return function* (input) {
    for (const document of input) yield change(document);
  };
}

/** More documents than this in one step would not fit the memory of the process. */
const MAX_HELD = 10_000_000;

/** How many documents pass between two looks at the clock. */
const CHECK_EVERY = 256;

/** Collects documents for a stage that needs them all. @throws DatabaseError MaxTimeMSExpired */
export function collect(input: Documents, { checkTime }: Pick<AggregateContext, 'checkTime'>): Document[] {
  const documents: Document[] = [];
  for (const document of input) {
    documents.push(document);
    if (documents.length % CHECK_EVERY === 0) checkTime();
    if (documents.length > MAX_HELD) fail('ExceededMemoryLimit', `A stage exceeded its limit of ${MAX_HELD} documents`);
  }
  return documents;
}
