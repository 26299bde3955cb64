import { parseArgs } from 'node:util';
import { toUrl } from '../../src/embedded/process/address.js';
import { serveDirectory } from '../../src/embedded/server/serve-directory.js';
import { nameOf, startMongoProxy } from './mongo-proxy.js';

/*
 * The embedded database behind the arguments of `mongod`: a member of a replica set, which `replSetInitiate` makes the
 * primary.
 */

const { values } = parseArgs({
  options: {
    version: { type: 'boolean' },
    replSet: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
    bind_ip: { type: 'string' },
    dbpath: { type: 'string', default: '' },
  },
});
if (values.version) {
  process.stdout.write('db version v8.0.0\n');
  process.exit(0);
}

const server = await serveDirectory({ directory: values.dbpath, address: { host: '127.0.0.1', port: 0 } }, () => {});
let isInitiated = false;
const proxy = await startMongoProxy(
  toUrl(server.address),
  {
    onCommand: (command) => {
      if (nameOf(command) !== 'replSetInitiate') return undefined;
      isInitiated = true;
      return { ok: 1 };
    },
    onReply: (reply) => {
      if (reply['setName'] === undefined) return reply;
      return {
        ...reply,
        setName: values.replSet,
        ...(isInitiated ? {} : { isWritablePrimary: false, ismaster: false }),
      };
    },
  },
  Number(values.port),
);
process.once(
  'SIGTERM',
  () =>
    void proxy
      .close()
      .then(() => server.stop())
      .then(() => process.exit(0)),
);
