import type { Collation } from '../../bson/collation.js';
import { type Document, fieldOf, isDocument, setField } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** The scope in which an expression is evaluated. */
export interface Scope {
  /** The document that `$field` reads. In `$redact` this can be an embedded document. */
  readonly current: unknown;
  /** `$$ROOT`. */
  readonly root: unknown;
  /** The innermost variable, linked to the enclosing ones. */
  readonly binding: Binding | undefined;
}

/** A variable of `$let`, `$map` and similar operators. */
export interface Binding {
  readonly name: string;
  readonly value: unknown;
  readonly next: Binding | undefined;
}

/** A compiled expression; `undefined` is a missing value. */
export type Evaluate = (scope: Scope) => unknown;

/** The context in which an expression is compiled. */
export interface ExpressionContext {
  readonly collation: Collation | undefined;
  /** `$$NOW`, which is constant during a command. */
  readonly now: Date;
  /** The names of the variables in scope. */
  readonly names: ReadonlySet<string>;
  /** The values of the command's `let`. */
  readonly constants: Document;
  readonly operators: ReadonlyMap<string, OperatorCompiler>;
}

/** Compiles the operand of one operator. */
export type OperatorCompiler = (operand: unknown, context: ExpressionContext) => Evaluate;

/** The scope of expressions on a document. */
export const scopeOf = (document: unknown): Scope => ({ current: document, root: document, binding: undefined });

/** A scope with one more variable. */
export const bind = (scope: Scope, name: string, value: unknown): Scope => ({
  current: scope.current,
  root: scope.root,
  binding: { name, value, next: scope.binding },
});

/** A context with more variable names in scope. */
export const withNames = (context: ExpressionContext, names: readonly string[]): ExpressionContext => ({
  ...context,
  names: new Set([...context.names, ...names]),
});

/**
 * Compiles an aggregation expression: paths, variables, documents, arrays and operators.
 * @throws DatabaseError InvalidPipelineOperator naming an operator that is unknown
 */
export function compile(expression: unknown, context: ExpressionContext): Evaluate {
  if (typeof expression === 'string' && expression.startsWith('$')) return compilePath(expression, context);
  if (Array.isArray(expression)) {
    const parts = expression.map((part) => compile(part, context));
    return (scope) => parts.map((part) => part(scope) ?? null);
  }
  if (isDocument(expression)) return compileDocument(expression, context);
  return () => expression;
}

function compileDocument(expression: Document, context: ExpressionContext): Evaluate {
  const keys = Object.keys(expression);
  const [first] = keys;
  if (first?.startsWith('$') === true) {
    if (keys.length > 1) {
      return fail(
        'Location15983',
        `an object representing an expression must have exactly one field: { ${keys.join(', ')} }`,
      );
    }
    const operator = context.operators.get(first);
    if (operator === undefined) return fail('InvalidPipelineOperator', `Unrecognized expression '${first}'`);
    return operator(expression[first], context);
  }
  const fields = keys.map((key): readonly [string, Evaluate] => {
    if (key.startsWith('$'))
      return fail(
        'Location16410',
        `FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
      );
    if (key.includes('.'))
      return fail('Location16412', `FieldPath field names may not contain '.'. Consider using $getField or $setField.`);
    return [key, compile(expression[key], context)];
  });
  return function evaluateDocument(scope) {
    const document: Document = {};
    for (const [key, evaluate] of fields) {
      const value = evaluate(scope);
      if (value !== undefined) setField(document, key, value);
    }
    return document;
  };
}

function compilePath(text: string, context: ExpressionContext): Evaluate {
  if (!text.startsWith('$$')) {
    if (text === '$') return fail('Location16872', "'$' by itself is not a valid FieldPath");
    const path = text.slice(1).split('.');
    ensureFieldNames(path);
    if (context.names.has('CURRENT')) {
      const current = compileVariable('CURRENT', context);
      return (scope) => readPath(current(scope), path, 0);
    }
    return (scope) => readPath(scope.current, path, 0);
  }
  const [name = '', ...rest] = text.slice(2).split('.');
  if (name === '') return fail('FailedToParse', 'empty variable names are not allowed');
  if (!/^[a-z\u0080-\uffff]/i.test(name)) {
    return fail('FailedToParse', `'${name}' starts with an invalid character for a user variable name`);
  }
  ensureFieldNames(rest);
  const variable = compileVariable(name, context);
  return rest.length === 0 ? variable : (scope) => readPath(variable(scope), rest, 0);
}

/** @throws DatabaseError for a path of fields that MongoDB rejects */
export function ensureFieldNames(path: readonly string[]): void {
  if (path.at(-1) === '') fail('Location40353', "FieldPath must not end with a '.'.");
  for (const segment of path) {
    if (segment === '') fail('Location15998', 'FieldPath field names may not be empty strings.');
    if (segment.startsWith('$')) {
      fail('Location16410', `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
    }
  }
}

/** The results of `$redact`: symbols, which no document can contain. */
export const REDACT = { DESCEND: Symbol('DESCEND'), PRUNE: Symbol('PRUNE'), KEEP: Symbol('KEEP') } as const;

const isRedactVerdict = (name: string): name is keyof typeof REDACT => Object.hasOwn(REDACT, name);

function compileVariable(name: string, context: ExpressionContext): Evaluate {
  if (context.names.has(name)) {
    return function readVariable(scope) {
      for (let binding = scope.binding; binding !== undefined; binding = binding.next) {
        if (binding.name === name) return binding.value;
      }
      return undefined;
    };
  }
  if (name === 'ROOT') return (scope) => scope.root;
  if (name === 'CURRENT') return (scope) => scope.current;
  if (name === 'NOW' || name === 'CLUSTER_TIME') return () => context.now;
  if (name === 'REMOVE') return () => undefined;
  if (isRedactVerdict(name)) return () => REDACT[name];
  if (Object.hasOwn(context.constants, name)) return () => fieldOf(context.constants, name);
  return fail('Location17276', `Use of undefined variable: ${name}`);
}

/**
 * Reads a path in an expression. Through an array it returns the array of the values found in the documents of the array. It has
 * no array positions, and arrays in arrays are left out.
 */
function readPath(value: unknown, path: readonly string[], depth: number): unknown {
  let current = value;
  for (let index = depth; index < path.length; index += 1) {
    if (Array.isArray(current)) {
      const found: unknown[] = [];
      for (const element of current) {
        const inner = isDocument(element) ? readPath(element, path, index) : undefined;
        if (inner !== undefined) found.push(inner);
      }
      return found;
    }
    if (!isDocument(current)) return undefined;
    current = fieldOf(current, path[index] as string);
  }
  return current;
}
