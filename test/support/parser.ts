import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Language, Parser } from '@vscode/tree-sitter-wasm';

const folder = dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
let isReady: Promise<void> | undefined;

/** A parser for a language, by a grammar in WebAssembly, so that no language has to be installed. */
export async function createParser(grammar: string): Promise<Parser> {
  isReady ??= Parser.init();
  await isReady;
  const parser = new Parser();
  parser.setLanguage(await Language.load(await readFile(join(folder, `tree-sitter-${grammar}.wasm`))));
  return parser;
}
