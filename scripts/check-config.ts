import { showSettings } from '../src/config/show.js';
import { readSettings } from '../src/config.js';
import { exitCodes } from '../src/platform/start-error.js';
import { readArguments } from './arguments.js';

const USAGE = `Shows the settings that the gateway would use, and where each is set. Secrets are masked.

  npm run check-config             the settings that differ from their defaults
  npm run check-config -- --all    every setting

Exit code 0 when the gateway would accept them, 78 when it would not.
`;

const { values } = readArguments(USAGE, { options: { all: { type: 'boolean' } } });
const print = (line = ''): void => void process.stdout.write(`${line}\n`);

function main(): number {
  const settings = readSettings({ env: process.env, envFile: '.env' });
  for (const [title, group] of Object.entries(showSettings(settings))) {
    const shown = group.filter(({ origin }) => values.all || origin !== 'default');
    if (shown.length === 0) continue;
    print(`# ${title}`);
    for (const { name, value, origin } of shown) print(`${name}=${value}  (${origin})`);
    print();
  }
  if (settings.sites.length > 0) {
    print('# Sites');
    for (const { name, authUrl, apiKeys } of settings.sites) print(`/${name}: ${authUrl}, ${apiKeys.length} keys`);
    print();
  }
  for (const warning of settings.warnings) print(`Warning: ${warning}`);
  for (const problem of settings.problems) print(`Invalid: ${problem}`);
  if (settings.problems.length > 0) return exitCodes.CONFIGURATION;
  print('The configuration is valid.');
  return 0;
}

process.exitCode = main();
