import { createBackend, GatewayClientError } from '#shared/backend/index.js';
import { readArguments, refuseArguments } from './arguments.js';
import { gatewayAddress } from './gateway-address.js';

const USAGE = `Sends an event to a user, through a running gateway.

  npm run emit -- <user> <event> ['<json>'] [--durable] [--namespace /v1/shared] [--url http://localhost:4000] [--key KEY]
`;

/** After this the command says what is wrong instead of trying again. */
const LIMIT_MS = 5000;

const { values, positionals } = readArguments(USAGE, {
  options: {
    durable: { type: 'boolean', default: false },
    namespace: { type: 'string' },
    url: { type: 'string' },
    key: { type: 'string' },
  },
  allowPositionals: true,
});
const [userId, event, json = '{}'] = positionals;
if (userId === undefined || event === undefined) refuseArguments(USAGE, 'The user or the event is missing');
if (positionals.length > 3) refuseArguments(USAGE, 'Too many arguments: the JSON must be in quotes');

try {
  const payload: unknown = JSON.parse(json);
  const address = gatewayAddress(values);
  const backend = createBackend({ ...address, timeoutMs: LIMIT_MS, totalMs: LIMIT_MS });
  const options = values.namespace === undefined ? {} : { namespace: values.namespace as '/v1/shared' };
  const send = values.durable ? backend.emitDurable : backend.emit;
  const answer = await send(userId, event, payload, options).catch((error: unknown) => {
    if (error instanceof GatewayClientError && error.code === 'UNREACHABLE') {
      throw new Error(`cannot reach ${address.url}: ${error.message}`);
    }
    throw error;
  });
  process.stdout.write(`${JSON.stringify(answer)}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof SyntaxError ? `not JSON: ${json}` : (error as Error).message}\n`);
  process.exitCode = 1;
}
