import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { environment } from '../../src/config.js';
import { nodeArguments, projectDirectory, runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { readReadme, toCall } from './readme.js';

const readme = await readReadme();

/** A process whose output is read line by line. */
interface Running {
  /** The next line that matches. @throws when the process ends without one */
  line(pattern: RegExp): Promise<string>;
  child: ChildProcess;
}

/** Starts node with nothing configured but `env`, however the tests themselves were started. */
function startNode(args: readonly string[], cwd: string, env: Record<string, string> = {}): Running {
  const unset = Object.fromEntries(Object.keys(environment.shape).map((name) => [name, undefined]));
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...unset, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    async line(pattern) {
      for (;;) {
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`the process ended before it said ${pattern}`);
        if (pattern.test(value)) return value;
      }
    },
  };
}

test('what the README tells a newcomer to do works, word for word', async () => {
  expect(readme.blocks('sh')[0]).toBe('npm ci && npm start\n');
  const directory = await temporaryDirectory();
  const settings = { PORT: '0', DATA_DIR: join(directory, 'data') };
  const gateway = startNode([...nodeArguments, join(projectDirectory, 'src/main.ts')], projectDirectory, settings);
  const [, port = ''] = /localhost:(\d+)/.exec(await gateway.line(/listens on/)) ?? [];
  const here = (text: string): string => text.replaceAll('localhost:4000', `localhost:${port}`);

  const tokenCommand = readme.blocks('sh').find((block) => block.includes('npm run --silent token')) ?? '';
  const [, tokenArguments = ''] = tokenCommand.trimEnd().split(' -- ');
  const { stdout: token } = await runScript('scripts/token.ts', tokenArguments.split(' '), settings);

  await symlink(join(projectDirectory, 'node_modules'), join(directory, 'node_modules'));
  await writeFile(join(directory, 'listen.mjs'), here(readme.blocks('js')[0] ?? ''));
  const listener = startNode(['listen.mjs', token.trim()], directory);
  expect(await listener.line(/^joined/)).toContain('success: true');

  const { stdout: seeded } = await runScript('scripts/seed.ts', [], settings);
  const tokenOf = (name: string) => new RegExp(`^${name}.*\n(.+)$`, 'm').exec(seeded)?.[1] ?? '';
  await writeFile(join(directory, 'talk.mjs'), here(readme.blocks('js')[1] ?? ''));
  const ben = startNode(['talk.mjs', tokenOf('Ben')], directory);
  expect(await ben.line(/^Launch/)).toBe('Launch: 1 unread, last: Then Tuesday it is.');
  await ben.line(/^sent/);
  const ada = startNode(['talk.mjs', tokenOf('Ada'), 'Good morning'], directory);
  expect(await ada.line(/^Launch/)).toBe('Launch: 3 unread, last: Hello');
  expect(await ben.line(/^Ada/)).toBe('Ada Adams: Good morning');

  const commands = readme.blocks('sh').filter((block) => block.startsWith('curl '));
  expect(commands.length).toBeGreaterThan(5);
  for (const command of commands) {
    const { url, init } = toCall(here(command));
    const response = await fetch(url, init);
    expect([command, response.status, await response.json()]).toEqual([
      command,
      200,
      expect.objectContaining({ success: true }),
    ]);
  }
  expect(await listener.line(/^received/)).toContain('You have a new lead!');
});
