import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../scripts/db/command.js';
import { startDatabase } from '../support/database.js';
import { startGateway } from '../support/gateway.js';
import { type Ended, runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { readPages } from './pages.js';

const page = (await readPages()).find(({ path }) => path === 'scripts/db/README.md');
// Blocks in lists are indented.
const commands = [...(page?.text ?? '').matchAll(/^ *(npm run db .*)$/gm)].map(([, command = '']) => command);

/** The one command with these words, and without the others. */
function commandWith(words: readonly string[], others: readonly string[] = []): string {
  const found = commands.filter(
    (command) => words.every((word) => command.includes(word)) && !others.some((word) => command.includes(word)),
  );
  expect(found, words.join()).toHaveLength(1);
  return found[0] ?? '';
}

test('the commands of the page on backups and moving work, word for word', async () => {
  const directory = await temporaryDirectory();
  const DATA_DIR = join(directory, 'data');
  const target = await startDatabase();
  onTestFinished(() => target.stop());
  const done = new Set<string>();
  const run = async (command: string): Promise<Ended> => {
    done.add(command);
    const [, args = ''] = /^npm run db -- (.*)$/.exec(command) ?? [];
    const here = args
      .replaceAll('gateway.backup', join(directory, 'gateway.backup'))
      .replaceAll('restored/db', join(directory, 'restored/db'))
      .replaceAll('mongodb://db.example.com:27017/general-socket', target.url);
    const [printed, noted]: [string[], string[]] = [[], []];
    const print = (line: string): void => void printed.push(line);
    const note = (line: string): void => void noted.push(line);
    const code = await runCommand(here.split(' '), { env: { DATA_DIR }, print, note }).catch((error: Error) => {
      note(error.message);
      return 1;
    });
    return { code, stdout: printed.join('\n'), stderr: noted.join('\n') };
  };
  const succeeds = async (command: string): Promise<string> => {
    const { code, stdout, stderr } = await run(command);
    expect([command, code, stderr]).toEqual([command, 0, '']);
    return stdout;
  };
  const gateway = await startGateway({ DATA_DIR });
  const send = () => gateway.call('POST', '/emit/ada/m?durable=true', {});
  await send();
  expect(await succeeds(commandWith(['--backup']))).toContain('while the database was running');
  const checked = await succeeds(commandWith(['--check'], ['backup']));
  expect(checked).toContain('delivery.log: 1 documents');
  expect(checked).toContain('No problem was found.');
  expect(await succeeds(commandWith(['--to'], ['--replace']))).toMatch(
    /Everything is equal: .*\n.*again with --replace/,
  );
  await send();
  expect((await run(commandWith(['--restore', '--replace']))).stderr).toContain('in use by the process');
  await gateway.close();
  expect(await succeeds(commandWith(['--to', '--replace']))).toContain('Everything is equal');
  expect(await succeeds(commandWith(['--check', 'backup']))).toContain('delivery.log: 1 documents');
  await succeeds(commandWith(['--restore', '--data']));
  expect(await succeeds(commandWith(['--restore', '--replace']))).toContain('What was there is kept in');
  expect(await succeeds(commandWith(['--check'], ['backup']))).toContain('delivery.log: 1 documents');
  expect([...done].sort()).toEqual([...new Set(commands)].sort());
  const indexes = await runScript('scripts/indexes.ts', ['--check'], { DATA_DIR, MONGODB_URL: target.url });
  expect([indexes.code, indexes.stdout]).toEqual([0, 'All indexes exist.\n']);
});
