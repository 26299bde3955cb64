import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { environment } from '../../src/config.js';

interface Variable {
  name: string;
  defaultText: string;
  description: string;
}

/** The table of the code as a reader of `.env.example` should find it, in the order of names. */
function documentedByCode(): Variable[] {
  const defaults: Record<string, unknown> = environment.parse({});
  const variables = Object.entries(environment.shape).map(([name, schema]) => ({
    name,
    defaultText: String(defaults[name] ?? ''),
    description: schema.description ?? '',
  }));
  return byName(variables);
}

/** What `text` documents: `# description` on the line above `#NAME=default`. */
function readExample(text: string): Variable[] {
  const variables = [...text.matchAll(/^# (.+)\n#([A-Z0-9_]+)=(.*)$/gm)].map(
    ([, description = '', name = '', defaultText = '']) => ({ name, defaultText, description }),
  );
  return byName(variables);
}

const byName = (variables: readonly Variable[]): Variable[] =>
  [...variables].sort((a, b) => (a.name < b.name ? -1 : 1));

const read = (name: string): Promise<string> => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

test('.env.example holds every variable with its default and its description, and no other', async () => {
  expect(readExample(await read('.env.example'))).toEqual(documentedByCode());
});

test('.env.example sets nothing by itself, so that a copy of it changes no default', async () => {
  const settings = (await read('.env.example')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(settings).toEqual([]);
});

test('docker-compose.yml gives the gateways only variables that exist', async () => {
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  const names = Object.entries<{ environment: object }>(services)
    .filter(([service]) => service.startsWith('gateway-'))
    .flatMap(([, { environment: given }]) => Object.keys(given));
  expect(names).not.toHaveLength(0);
  expect(names.filter((name) => !(name in environment.shape))).toEqual([]);
});

test('the image sets only variables that exist', async () => {
  const [, assignments = ''] = /^ENV (.+)$/m.exec(await read('Dockerfile')) ?? [];
  const names = assignments.split(' ').map((assignment) => assignment.replace(/=.*/, ''));
  expect(names).toContain('DATA_DIR');
  expect(names.filter((name) => !(name in environment.shape))).toEqual([]);
});
