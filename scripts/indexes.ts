import { type Connection, createConnection } from 'mongoose';
import { defineModels } from '#shared/models/index.js';
import { readConfig } from '../src/config.js';
import { createConnectionType } from '../src/library-internals/mongodb-connection.js';
import { readIsOnShards } from '../src/platform/mongo/cluster.js';
import { createAll, reviewIndexes } from '../src/platform/mongo/indexes/index.js';
import { type IndexProblem, toMissing } from '../src/platform/mongo/indexes/report.js';
import { planShards } from '../src/platform/mongo/indexes/shards.js';
import { toConnectOptions } from '../src/platform/mongo/options.js';
import { parseMongoUrl } from '../src/platform/mongo/url.js';
import { readArguments, refuseArguments } from './arguments.js';

const USAGE = `Compares the indexes at MONGODB_URL with those that the gateway uses.

  npm run indexes -- --check   changes nothing; exit code 1 when something is missing or in the way
  npm run indexes -- --apply   creates what is missing, in the collections of the platform too; removes nothing

  npm run indexes -- --shard           prints the commands that shard the collections by the keys that the queries need
  npm run indexes -- --shard --apply   shards the gateway's own collections; MONGODB_URL leads to a mongos
`;

const { values } = readArguments(USAGE, {
  options: { check: { type: 'boolean' }, apply: { type: 'boolean' }, shard: { type: 'boolean' } },
});
if (values.shard && values.check) refuseArguments(USAGE, '--check does not go with --shard');
if (!values.shard && values.check === values.apply) refuseArguments(USAGE, 'Say either --check or --apply');

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  const { storage } = readConfig(process.env, '.env');
  if (storage.mongodbUrl === undefined) {
    print('MONGODB_URL is not set: the gateway creates the indexes of the embedded database itself.');
    return 0;
  }
  const target = parseMongoUrl(storage.mongodbUrl);
  const connection = createConnection();
  try {
    await connection.openUri(target.url, {
      ...toConnectOptions({ ...storage, createConnectionType }, target),
      autoIndex: false,
    });
    if (values.shard) return await shard(connection, values.apply === true);
    const { missing, conflicts } = await reviewIndexes(connection, {
      models: defineModels(connection),
      ownsAll: false,
    });
    const failed = values.apply ? await createAll(connection, missing) : missing.map(toMissing);
    const problems: IndexProblem[] = [...failed, ...conflicts];
    if (values.apply) print(`Created ${missing.length - failed.length} indexes.`);
    for (const { index, sentence, command } of problems) {
      print(`${index.isOwn ? '' : '(platform) '}${sentence}.\n  ${command}`);
    }
    if (problems.length === 0) print('All indexes exist.');
    return problems.length === 0 ? 0 : 1;
  } finally {
    await connection.close();
  }
}

/** Prints the commands, or runs those of the gateway's own collections. @returns the exit code */
async function shard(connection: Connection, isApplied: boolean): Promise<number> {
  if (isApplied && !(await readIsOnShards(connection))) {
    print('MONGODB_URL does not lead to a mongos: nothing was sharded.');
    return 1;
  }
  let code = 0;
  for (const { isOwn, obstacles, commands, collection, run } of await planShards(connection)) {
    const mark = isOwn ? '' : '// (platform) ';
    if (obstacles.length > 0) {
      code = 1;
      print(`// ${collection}: a unique index does not begin with the shard key. Drop it first:`);
      for (const command of obstacles) print(`// ${command}`);
    } else if (isApplied && isOwn) await run();
    for (const command of commands) print(`${mark}${command}`);
  }
  if (isApplied && code === 0) print('// Sharded.');
  return code;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
