import type { Collation } from '../../bson/collation.js';
import type { Document } from '../../bson/values.js';

/** What an operator may say of the place it changes. */
export interface Place {
  /** The dotted path, positions resolved. */
  readonly path: string;
  /** The document as it was, for error messages. */
  readonly document: Document;
}

/** One operator on one path. */
export interface Modifier {
  /** Whether a missing field is made; otherwise nothing happens to it. */
  readonly creates: boolean;
  /**
   * @param value - the field's value, `undefined` when missing
   * @returns the new value; the same one for no change; `undefined` to remove the field
   */
  readonly change: (value: unknown, place: Place) => unknown;
}

/** What compiling an operator may need. */
export interface ModifierContext {
  readonly collation: Collation | undefined;
  /** The moment of the command, for `$currentDate`. */
  readonly now: Date;
}

/** Compiles an operator's argument for one path. */
export type ModifierCompiler = (argument: unknown, path: string, context: ModifierContext) => Modifier;
