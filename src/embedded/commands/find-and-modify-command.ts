import type { Document } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { Writer } from '../engine/writer.js';
import { fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import { compileProjection } from '../query/projections/projection.js';
import { compileUpdate } from '../query/updates/compile-update.js';
import { collationOf, isSet, optionalDocument, variablesOf } from './request/fields.js';
import type { Command, Request } from './request/request.js';
import { openTarget, targetCollection, targetName } from './request/target.js';
import { performDelete } from './statements/delete-statement.js';
import { toArrayFilters, toUpdate } from './statements/parse-statement.js';
import { createStatementRunner } from './statements/statement-runner.js';
import { createProgress, type TargetStatement } from './statements/statement-targets.js';
import { performUpdate } from './statements/update-statement.js';

async function findAndModify(request: Request): Promise<Document> {
  const { command } = request;
  const isRemoval = isSet(command, 'remove');
  ensureUpdateOrRemoval(command, isRemoval);
  const collection = isSet(command, 'upsert') ? openTarget(request, targetName(request)) : targetCollection(request);
  if (!collection) {
    ensureValid(request, isRemoval);
    return { lastErrorObject: { n: 0, ...(isRemoval ? {} : { updatedExisting: false }) }, value: null, ok: 1 };
  }
  const target: Target = { collection, statement: toTargetStatement(request, collection) };
  const runner = createStatementRunner(request);
  try {
    return await runner.run(0, (writer) =>
      isRemoval ? removeOne(request, target, writer) : updateOne(request, target, writer),
    );
  } finally {
    runner.finish();
  }
}

function ensureUpdateOrRemoval(command: Document, isRemoval: boolean): void {
  const hasUpdate = command['update'] !== undefined;
  if (isRemoval && (hasUpdate || isSet(command, 'upsert') || isSet(command, 'new'))) {
    fail('FailedToParse', 'Cannot specify both an update and remove=true');
  }
  if (isRemoval && command['arrayFilters'] !== undefined) {
    fail('FailedToParse', 'Cannot specify arrayFilters and remove=true');
  }
  if (!isRemoval && !hasUpdate) fail('FailedToParse', 'Either an update or remove=true must be specified');
}

/** Rejects without a collection what is rejected with one. */
function ensureValid(request: Request, isRemoval: boolean): void {
  const { filter, collation, variables } = toTargetStatement(request, undefined);
  const matcher = compileFilter(filter, { collation, variables });
  if (isRemoval) return;
  const arrayFilters = toArrayFilters(request.command['arrayFilters']);
  const update = toUpdate(request.command['update'], 'findAndModify.update');
  compileUpdate(update, { arrayFilters, collation, variables, matcher });
}

interface Target {
  readonly collection: Collection;
  readonly statement: TargetStatement;
}

const toTargetStatement = (request: Request, collection: Collection | undefined): TargetStatement => ({
  filter: optionalDocument(request, 'query') ?? {},
  isMulti: false,
  sort: optionalDocument(request, 'sort'),
  hint: request.command['hint'],
  collation: collationOf(request.command['collation'], collection),
  variables: variablesOf(request),
  progress: createProgress(),
});

function removeOne(request: Request, { collection, statement }: Target, writer: Writer): Document {
  const { deleted, before } = performDelete(request, collection, { statement, writer });
  return { lastErrorObject: { n: deleted }, value: project(request, statement, before), ok: 1 };
}

function updateOne(request: Request, { collection, statement }: Target, writer: Writer): Document {
  const { command } = request;
  const { matched, upserted, before, after } = performUpdate(request, collection, {
    statement: {
      ...statement,
      update: toUpdate(command['update'], 'findAndModify.update'),
      isUpsert: isSet(command, 'upsert'),
      arrayFilters: toArrayFilters(command['arrayFilters']),
    },
    writer,
  });
  return {
    lastErrorObject: {
      n: matched + (upserted ? 1 : 0),
      updatedExisting: matched > 0,
      ...(upserted && { upserted: upserted['_id'] }),
    },
    value: project(request, statement, isSet(command, 'new') ? after : before),
    ok: 1,
  };
}

/** Applies the projection in `fields` to the document that the command returns. */
function project(request: Request, statement: TargetStatement, document: Document | undefined): Document | null {
  if (!document) return null;
  const projection = optionalDocument(request, 'fields');
  if (!projection || Object.keys(projection).length === 0) return document;
  const { filter, collation, variables } = statement;
  const matcher = compileFilter(filter, { collation, variables });
  return compileProjection(projection, { matcher, collation, variables })(document);
}

const FIND_AND_MODIFY: Command = {
  fields: new Set([
    'query',
    'sort',
    'remove',
    'update',
    'new',
    'fields',
    'upsert',
    'bypassDocumentValidation',
    'collation',
    'arrayFilters',
    'hint',
    'let',
  ]),
  isTransactional: true,
  run: findAndModify,
};

/** The command `findAndModify` in both spellings. */
export const findAndModifyCommands: Readonly<Record<string, Command>> = {
  findAndModify: FIND_AND_MODIFY,
  findandmodify: FIND_AND_MODIFY,
};
