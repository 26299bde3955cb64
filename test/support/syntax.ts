import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { Language, type Node, Parser } from '@vscode/tree-sitter-wasm';

/** The grammars by the ending of a file. They are WebAssembly, so that no language has to be installed. */
const GRAMMARS: Readonly<Record<string, string>> = {
  '.py': 'python',
  '.go': 'go',
  '.java': 'java',
  '.php': 'php',
  '.sh': 'bash',
  '.mjs': 'javascript',
};

const folder = dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
let isReady: Promise<void> | undefined;

/** The lines of a source file that its language does not allow. @throws Error for a language without a grammar */
export async function syntaxErrors(path: string): Promise<string[]> {
  const grammar = GRAMMARS[extname(path)];
  if (grammar === undefined) throw new Error(`there is no grammar for ${path}`);
  isReady ??= Parser.init();
  await isReady;
  const parser = new Parser();
  parser.setLanguage(await Language.load(await readFile(join(folder, `tree-sitter-${grammar}.wasm`))));
  const text = await readFile(path, 'utf8');
  const tree = parser.parse(text);
  const root = tree?.rootNode;
  return root === undefined || !root.hasError ? [] : faultsIn(root).map((row) => text.split('\n')[row] ?? '');
}

const faultsIn = (node: Node): number[] => [
  ...(node.isError || node.isMissing ? [node.startPosition.row] : []),
  ...node.children.flatMap((child) => (child === null ? [] : faultsIn(child))),
];
