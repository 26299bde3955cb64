import type { Collation } from '../../bson/collation.js';
import type { Document } from '../../bson/values.js';

/** The field that an operator changes, for error messages. */
export interface Place {
  /** The dotted path with array operators replaced by positions. */
  readonly path: string;
  /** The document before the update. */
  readonly document: Document;
}

/** An update operator with its argument. */
export interface Modifier {
  /** Whether the operator creates a missing field. Otherwise it skips it. */
  readonly creates: boolean;
  /** Whether a missing field must be one that could be created. */
  readonly needsViablePath?: boolean;
  /**
   * @param value - the value of the field; `undefined` when it is missing
   * @returns the new value, the same value for no change, or `undefined` to remove the field
   */
  readonly change: (value: unknown, place: Place) => unknown;
}

/** The context in which operators are compiled. */
export interface ModifierContext {
  readonly collation: Collation | undefined;
  /** The time of the command, for `$currentDate`. */
  readonly now: Date;
}

/** Compiles the argument of an operator for one path. */
export type ModifierCompiler = (argument: unknown, path: string, context: ModifierContext) => Modifier;
