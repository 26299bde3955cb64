import { expect, test } from 'vitest';
import packageJson from '#package.json' with { type: 'json' };
import { runScript } from '../support/script.js';

/** The commands of the package that read arguments of their own: those of `test:mongodb` go to the tests. */
const commands = Object.entries(packageJson.scripts).flatMap(([name, command]) => {
  const [, path] = /tsx --conditions=source (scripts\/\S+)$/.exec(command) ?? [];
  return path === undefined || ['predev', 'prepack', 'build', 'test:mongodb'].includes(name) ? [] : [{ name, path }];
});

test.each(commands)(
  'npm run $name explains itself, and does nothing when it is asked wrongly',
  async ({ name, path }) => {
    expect(await runScript(path, ['--help'])).toEqual({
      code: 0,
      stdout: expect.stringMatching(`npm run (--silent )?${name}`),
      stderr: '',
    });
    expect(await runScript(path, ['--no-such-option'])).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(`^Unknown option '--no-such-option'.*\\n\\n.*npm run (--silent )?${name}`, 's'),
      ),
    });
  },
);

test.each([
  ['scripts/token.ts', [], 'The user is missing: --uid'],
  ['scripts/emit.ts', ['64abc123def'], 'The user or the event is missing'],
  ['scripts/emit.ts', ['64abc123def', 'notification', '{', '}'], 'Too many arguments: the JSON must be in quotes'],
  ['scripts/indexes.ts', [], 'Say either --check or --apply'],
  ['scripts/indexes.ts', ['--shard', '--check'], '--check does not go with --shard'],
  ['scripts/contracts.ts', ['openapi', 'html'], 'Say openapi, asyncapi or html, or --out with a directory'],
  ['scripts/copy-shared.ts', [], 'Name one directory'],
  ['scripts/db.ts', ['--backup', 'a', '--restore', 'b'], 'Only one command can be done at a time'],
  ['scripts/db.ts', ['data'], "Unexpected argument 'data'"],
  ['scripts/bench/main.ts', ['--rounds', 'many'], '--rounds must be a number from 1: many'],
  ['scripts/bench/main.ts', ['emit 33'], 'No such scenario or contestant: emit 33'],
])('%s %j says what is wrong', async (path, args, problem) => {
  const { code, stdout, stderr } = await runScript(path, args);
  expect([code, stdout, stderr.split('\n')[0]]).toEqual([2, '', problem]);
});
