/** An expression and its value in MongoDB; a code of an error as `fails(code)`. */
export type Row = readonly [expression: unknown, result: unknown];

/** The failure of an expression. */
export class Failure {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

export const fails = (code: number): Failure => new Failure(code);

/** The result of an expression without a value: the field is left out. */
export const MISSING = Symbol('missing');
