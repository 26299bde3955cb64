import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import { compileFilter } from '../query/filters/filter.js';
import { compileProjection } from '../query/projections/projection.js';
import {
  type Command,
  collationOf,
  isSet,
  openTarget,
  optionalDocument,
  type Request,
  targetName,
  variablesOf,
} from './request/request.js';
import { toArrayFilters, toUpdate } from './statements/statement-fields.js';
import {
  createProgress,
  createStatementRunner,
  performDelete,
  performUpdate,
  type UpdateStatement,
} from './statements/statement-runner.js';

async function findAndModify(request: Request): Promise<Document> {
  const { command } = request;
  const isRemoval = isSet(command, 'remove');
  const isUpsert = isSet(command, 'upsert');
  if (isRemoval && (command['update'] !== undefined || isUpsert || isSet(command, 'new'))) {
    fail('FailedToParse', 'Cannot specify both an update and remove=true');
  }
  if (!isRemoval && command['update'] === undefined)
    fail('FailedToParse', 'Either an update or remove=true must be specified');
  const name = targetName(request);
  const runner = createStatementRunner(request);
  const collection = isUpsert ? openTarget(request, name) : request.state.engine.collection(request.database, name);
  if (!collection)
    return { lastErrorObject: { n: 0, ...(isRemoval ? {} : { updatedExisting: false }) }, value: null, ok: 1 };
  const common = {
    filter: optionalDocument(request, 'query') ?? {},
    isMulti: false,
    sort: optionalDocument(request, 'sort'),
    hint: command['hint'],
    collation: collationOf(command['collation'], collection),
    variables: variablesOf(request),
    progress: createProgress(),
  };
  const project = (document: Document | undefined): Document | null => {
    if (!document) return null;
    const projection = optionalDocument(request, 'fields');
    if (!projection || Object.keys(projection).length === 0) return document;
    const { filter, collation, variables } = common;
    return compileProjection(projection, {
      matcher: compileFilter(filter, { collation, variables }),
      collation,
      variables,
    })(document);
  };
  try {
    return await runner.run(0, (writer) => {
      if (isRemoval) {
        const { deleted, before } = performDelete(request, collection, { statement: common, writer });
        return { lastErrorObject: { n: deleted }, value: project(before), ok: 1 };
      }
      const statement: UpdateStatement = {
        ...common,
        update: toUpdate(command['update'], 'findAndModify.update'),
        isUpsert,
        arrayFilters: toArrayFilters(command['arrayFilters']),
      };
      const { matched, upserted, before, after } = performUpdate(request, collection, { statement, writer });
      return {
        lastErrorObject: {
          n: matched + (upserted ? 1 : 0),
          updatedExisting: matched > 0,
          ...(upserted && { upserted: upserted['_id'] }),
        },
        value: project(isSet(command, 'new') ? after : before),
        ok: 1,
      };
    });
  } finally {
    runner.finish();
  }
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

/** The command that changes one document and answers with it, under both of its spellings. */
export const findAndModifyCommands: Readonly<Record<string, Command>> = {
  findAndModify: FIND_AND_MODIFY,
  findandmodify: FIND_AND_MODIFY,
};
