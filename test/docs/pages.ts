import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectDirectory } from '../support/script.js';

/** One page of the documentation, split into the parts that tests compare with the code. */
export interface Page {
  /** Relative to the project, as `src/config/README.md`. */
  readonly path: string;
  readonly text: string;
  /** The text without its fenced code blocks. */
  readonly prose: string;
  /** The `code spans` of the prose, without their backticks. */
  readonly spans: readonly string[];
  /** Targets of links, as they are written. */
  readonly links: readonly string[];
  /** Identifiers of the headings, as GitHub makes them. */
  readonly anchors: readonly string[];
  /** The fenced code blocks in `language`, in order. */
  blocks(language: string): string[];
  /** The rows of all tables whose first header is `header`: the cells without their backticks. */
  rows(header: string): string[][];
}

/** Directories that hold no page of this project. */
const SKIPPED = new Set(['node_modules', 'dist', 'data', 'bench-results', 'test-results', '.git']);

/** Reads every Markdown file of the project. */
export async function readPages(): Promise<Page[]> {
  const paths = await markdownFiles('');
  return Promise.all(
    paths.sort().map(async (path) => toPage(path, await readFile(join(projectDirectory, path), 'utf8'))),
  );
}

async function markdownFiles(directory: string): Promise<string[]> {
  const entries = await readdir(join(projectDirectory, directory), { withFileTypes: true });
  const found = await Promise.all(
    entries.map((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : markdownFiles(path);
      return entry.name.endsWith('.md') ? [path] : [];
    }),
  );
  return found.flat();
}

/** Reads the text of a page. */
function toPage(path: string, text: string): Page {
  const fences = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  const prose = text.replaceAll(/^```\w*\n[\s\S]*?^```$/gm, '');
  const tables = [...prose.matchAll(/^(\|.*\|)\n\|[-:| ]+\|\n((?:\|.*\|\n?)+)/gm)].map(([, head = '', body = '']) => ({
    header: toCells(head)[0],
    rows: body.trimEnd().split('\n').map(toCells),
  }));
  return {
    path,
    text,
    prose,
    spans: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span),
    links: [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link),
    anchors: [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => toAnchor(heading)),
    blocks: (language) => fences.flatMap(([, of, code = '']) => (of === language ? [code] : [])),
    rows: (header) => tables.flatMap((table) => (table.header === header ? table.rows : [])),
  };
}

const toAnchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

const toCells = (row: string): string[] =>
  row
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('`', ''));
