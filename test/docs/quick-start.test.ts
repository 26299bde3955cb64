import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Program, startProgram } from '../support/program.js';
import { compiled, projectDirectory, runScript } from '../support/script.js';
import { toCall } from './curl.js';
import { readPages } from './pages.js';

const pages = await readPages();
const readme = pages.find(({ path }) => path === 'README.md');
const commands = readme?.blocks('sh').flatMap((block) => block.trimEnd().split(/(?<!\\)\n/)) ?? [];
const isCurl = (command: string): boolean => command.startsWith('curl ');

/** The one command of the quick start that contains `text`. */
function commandWith(text: string): string {
  const found = commands.filter((command) => command.includes(text));
  expect(found, text).toHaveLength(1);
  return found[0] ?? '';
}

interface Started {
  readonly settings: Record<string, string>;
  /** What the gateway prints when it has started. */
  readonly greeting: string;
  /** Text of the pages, with the address of this gateway. */
  readonly here: (text: string) => string;
}

/** A gateway that is started as the quick start says, on a free port. */
async function startGateway(directory: string, defer: (end: () => Promise<void>) => void): Promise<Started> {
  const settings = { PORT: '0', DATA_DIR: join(directory, 'data') };
  const options = { cwd: projectDirectory, env: settings, defer };
  const gateway = startProgram(process.execPath, [compiled('src/main.ts')], options);
  const greeting = await gateway.line(/listens on/);
  const [, port = ''] = /localhost:(\d+)/.exec(greeting) ?? [];
  return { settings, greeting, here: (text) => text.replaceAll('localhost:4000', `localhost:${port}`) };
}

let started: Started;
let endGateway = async (): Promise<void> => undefined;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  started = await startGateway(directory, (end) => {
    endGateway = end;
  });
});
afterAll(async () => {
  await endGateway();
  await rm(directory, { recursive: true, force: true });
});

/** Makes the call of a `curl` command. */
async function make(command: string): Promise<void> {
  const { url, init } = toCall(command);
  const response = await fetch(url, init);
  // A stream has no end: its head is all that is read.
  if (response.headers.get('content-type') === 'application/x-ndjson') {
    await response.body?.cancel();
    return expect([command, response.status]).toEqual([command, 200]);
  }
  const answer = await response.json();
  expect([command, response.status, answer]).toEqual([command, 200, expect.objectContaining({ success: true })]);
}

test('every command of the quick start succeeds', async () => {
  expect(commands[0]).toBe('npm ci && npm start');
  const { settings, here } = started;
  const url = here('http://localhost:4000');
  const runExample = (path: string, args: readonly string[]): Program =>
    startProgram(process.execPath, [join(projectDirectory, path), ...args], { cwd: projectDirectory });

  const [, listen = '', tokenArguments = ''] =
    /^node (\S+) \$\(npm run --silent token -- (.*)\)$/.exec(commandWith('run --silent token')) ?? [];
  const { stdout: token } = await runScript('scripts/token.ts', tokenArguments.split(' '), settings);
  const listener = runExample(listen, [token.trim(), url]);
  await listener.line(/^connected/);
  await make(here(commandWith('curl ')));
  expect(await listener.line(/^received/)).toContain('You have a new lead!');

  expect(commands).toContain('npm run --silent seed');
  const { stdout: seeded } = await runScript('scripts/seed.ts', [], settings);
  const tokenOf = (name: string) => new RegExp(`^${name}.*\n(.+)$`, 'm').exec(seeded)?.[1] ?? '';
  const [, talk = ''] = /^node (\S+) <token of Ben>$/.exec(commandWith('<token of Ben>')) ?? [];
  const ben = runExample(talk, [tokenOf('Ben'), 'Hello', url]);
  expect(await ben.line(/^Launch/)).toBe('Launch: 1 unread, last: Then Tuesday it is.');
  await ben.line(/^sent/);
  const ada = runExample(talk, [tokenOf('Ada'), 'Good morning', url]);
  expect(await ada.line(/^Launch/)).toBe('Launch: 3 unread, last: Hello');
  expect(await ben.line(/^Ada/)).toBe('Ada Adams: Good morning');

  const [, chat = ''] = /^node (\S+) <token of Ada> <user id of Ben>$/.exec(commandWith('<user id of Ben>')) ?? [];
  const idOf = (name: string) => new RegExp(`^${name}.*, user (\\w+)`, 'm').exec(seeded)?.[1] ?? '';
  const sender = runExample(chat, [tokenOf('Ada'), idOf('Ben'), 'Are you there?', url]);
  await sender.line(/^sent/);
  const answerer = runExample(chat, [tokenOf('Ben'), idOf('Ada'), 'I am', url]);
  await answerer.line(/^sent/);
  expect(await sender.line(/^Ben/)).toBe('Ben Brown: I am');
});

test('the address of the quick start is the one that the gateway prints, and leads to the console', async () => {
  const [address = ''] = /http:\/\/localhost:4000\/console\/\w+/.exec(readme?.text ?? '') ?? [];
  const { greeting, here } = started;
  expect(address).not.toBe('');
  expect(greeting).toContain(here(address));
  const session = await fetch(new URL('/console/api/session', here(address)));
  expect(await session.json()).toMatchObject({ data: { access: 'act', isDevelopment: true } });
});

test('every curl command of the pages succeeds', async () => {
  const { here } = started;
  const calls = pages.flatMap((page) => page.blocks('sh').filter(isCurl));
  expect(calls.length).toBeGreaterThan(8);
  for (const call of calls) await make(here(call));
});
