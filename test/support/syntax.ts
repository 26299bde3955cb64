import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Node } from '@vscode/tree-sitter-wasm';
import { createParser } from './parser.js';

/** The grammars by the ending of a file. */
const GRAMMARS: Readonly<Record<string, string>> = {
  '.py': 'python',
  '.go': 'go',
  '.java': 'java',
  '.php': 'php',
  '.sh': 'bash',
  '.mjs': 'javascript',
};

/** The lines of a source file that its language does not allow. @throws Error for a language without a grammar */
export async function syntaxErrors(path: string): Promise<string[]> {
  const grammar = GRAMMARS[extname(path)];
  if (grammar === undefined) throw new Error(`there is no grammar for ${path}`);
  const parser = await createParser(grammar);
  const text = await readFile(path, 'utf8');
  const tree = parser.parse(text);
  const root = tree?.rootNode;
  return root === undefined || !root.hasError ? [] : faultsIn(root).map((row) => text.split('\n')[row] ?? '');
}

const faultsIn = (node: Node): number[] => [
  ...(node.isError || node.isMissing ? [node.startPosition.row] : []),
  ...node.children.flatMap((child) => (child === null ? [] : faultsIn(child))),
];
