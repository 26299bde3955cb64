import { readConfig } from '../src/config.js';
import { readArguments, refuseArguments } from './arguments.js';
import { createSignToken } from './sign-token.js';

const USAGE = `Prints a token signed with JWT_SECRET, or with the development secret.

  npm run token -- --uid 64abc123def --scope conversation [--account ID] [--workspace ID] [--expires 8h]
`;

const { values } = readArguments(USAGE, {
  options: {
    uid: { type: 'string' },
    scope: { type: 'string', default: 'conversation' },
    account: { type: 'string' },
    workspace: { type: 'string' },
    expires: { type: 'string', default: '8h' },
  },
});
if (values.uid === undefined) refuseArguments(USAGE, 'The user is missing: --uid');
try {
  const signToken = await createSignToken(readConfig(process.env, '.env'));
  const claims = { uid: values.uid, scope: values.scope, account_id: values.account, workspace_id: values.workspace };
  process.stdout.write(`${signToken(claims, values.expires)}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
