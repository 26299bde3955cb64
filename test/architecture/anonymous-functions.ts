import type { Node } from '@vscode/tree-sitter-wasm';
import { createParser } from '../support/parser.js';
import type { Source } from './sources.js';

const parser = await createParser('typescript');

/** Most files have no factory, and parsing takes time. */
const FACTORY = /\b(?:function|const) create[A-Z]/;
const FUNCTIONS = ['arrow_function', 'function_expression'];
const SCOPES = [...FUNCTIONS, 'function_declaration', 'method_definition'];
const WRAPPERS = ['parenthesized_expression', 'as_expression', 'satisfies_expression'];

/**
 * The factories (`createX`) that return a function without a name, which profiles and stack traces show as anonymous.
 * @returns the names of the factories
 */
export function findAnonymousFunctions({ code }: Pick<Source, 'code'>): string[] {
  if (!FACTORY.test(code)) return [];
  const tree = parser.parse(code);
  const root = tree?.rootNode;
  const found = (root?.descendantsOfType(['function_declaration', 'variable_declarator']) ?? []).flatMap((declared) => {
    const name = declared?.childForFieldName('name')?.text ?? '';
    const factory = declared?.type === 'function_declaration' ? declared : unwrap(declared?.childForFieldName('value'));
    if (!/^create[A-Z]/.test(name) || factory === null || !SCOPES.includes(factory.type)) return [];
    return resultsOf(factory).some(isAnonymous) ? [name] : [];
  });
  tree?.delete();
  return found;
}

/** The expressions that a function returns. */
function resultsOf(factory: Node): (Node | null)[] {
  const body = factory.childForFieldName('body');
  if (body?.type !== 'statement_block') return [body];
  return body
    .descendantsOfType('return_statement')
    .filter((statement) => statement !== null && scopeOf(statement)?.id === factory.id)
    .map((statement) => statement?.namedChildren[0] ?? null);
}

function scopeOf(node: Node): Node | null {
  let scope = node.parent;
  while (scope !== null && !SCOPES.includes(scope.type)) scope = scope.parent;
  return scope;
}

function unwrap(node: Node | null | undefined): Node | null {
  let inner = node ?? null;
  while (inner !== null && WRAPPERS.includes(inner.type)) inner = inner.namedChildren[0] ?? null;
  return inner;
}

function isAnonymous(result: Node | null): boolean {
  const node = unwrap(result);
  if (node?.type === 'ternary_expression') {
    return [node.childForFieldName('consequence'), node.childForFieldName('alternative')].some(isAnonymous);
  }
  return node !== null && FUNCTIONS.includes(node.type) && node.childForFieldName('name') === null;
}
