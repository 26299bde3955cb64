import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectDirectory } from '../support/script.js';

/** The README, read the way the tests ask it. */
export interface Readme {
  readonly text: string;
  /** The code blocks in a language, in order. */
  blocks(language: string): string[];
  /** The rows of the table whose first header is `header`: the cells without their backticks. */
  table(header: string): string[][];
}

/** Reads the README of the project. */
export async function readReadme(): Promise<Readme> {
  const text = await readFile(join(projectDirectory, 'README.md'), 'utf8');
  return {
    text,
    blocks: (language) =>
      [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, of, code = '']) =>
        of === language ? [code] : [],
      ),
    table(header) {
      const [, body] = new RegExp(`^\\| ${header} +\\|.*\\n\\|[-| ]+\\|\\n((?:\\|.*\\|\\n)+)`, 'm').exec(text) ?? [];
      if (body === undefined) throw new Error(`the README has no table that begins with ${header}`);
      return body.trimEnd().split('\n').map(toCells);
    },
  };
}

const toCells = (row: string): string[] =>
  row
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('`', ''));

/** A call that a `curl` command makes. */
export interface Call {
  url: string;
  init: RequestInit;
}

/** Reads a `curl` command, so that it can be made where there is no curl. @throws for an option it does not know */
export function toCall(command: string): Call {
  const words = [...command.replaceAll('\\\n', ' ').matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
  const { values, positionals } = parseArgs({
    args: words.slice(1),
    allowPositionals: true,
    options: {
      request: { type: 'string', short: 'X', default: 'GET' },
      header: { type: 'string', short: 'H', multiple: true, default: [] },
      data: { type: 'string', short: 'd' },
    },
  });
  const [url = ''] = positionals;
  const headers = values.header.map((header): [string, string] => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon), header.slice(colon + 1).trim()];
  });
  return {
    url,
    init: { method: values.request, headers, ...(values.data === undefined ? {} : { body: values.data }) },
  };
}
