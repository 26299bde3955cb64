/** A requirement of a filter on one path. The planner uses it to select an index. */
export interface FieldPredicate {
  readonly path: string;
  /** The operator's name. Plain equality is `$eq`; a regular expression is `$regex` with a `BSONRegExp`. */
  readonly op: string;
  readonly value: unknown;
}
