import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import jwt from 'jsonwebtoken';
import { ensureDevelopmentSecret } from '../src/auth/development-secret.js';
import { readConfig } from '../src/config.js';

const USAGE = `Prints a token signed with JWT_SECRET, or with the development secret.

  npm run token -- --uid 64abc123def --scope conversation [--account ID] [--workspace ID] [--expires 8h]
`;

const { values } = parseArgs({
  options: {
    uid: { type: 'string' },
    scope: { type: 'string', default: 'conversation' },
    account: { type: 'string' },
    workspace: { type: 'string' },
    expires: { type: 'string', default: '8h' },
    help: { type: 'boolean' },
  },
});
if (values.help === true || values.uid === undefined) {
  process.stderr.write(USAGE);
  process.exit(values.help === true ? 0 : 2);
}

if (existsSync('.env')) process.loadEnvFile('.env');
const { auth, storage } = readConfig(process.env);
if (auth.jwksUrl !== undefined) {
  process.stderr.write('JWKS_URL is set: tokens come from the issuer of those keys, none can be made here.\n');
  process.exit(1);
}
const secret = auth.jwtSecret ?? (await ensureDevelopmentSecret(storage.directory));
const claims = { uid: values.uid, scope: values.scope, account_id: values.account, workspace_id: values.workspace };
const expiresIn = values.expires as NonNullable<jwt.SignOptions['expiresIn']>;
process.stdout.write(`${jwt.sign(JSON.parse(JSON.stringify(claims)), secret, { expiresIn })}\n`);
