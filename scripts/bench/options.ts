/** Command-line options of the benchmark. */
export interface BenchOptions {
  /** Number of rounds of each measurement. */
  readonly rounds: number;
  /** Scenarios of the comparison, by their names. Empty: all. */
  readonly only: readonly string[];
  /** Numbers of nodes to compare with. Absent: those of the suite. */
  readonly nodes: readonly number[] | undefined;
  /** Directory of another checkout with a build, whose gateway takes part. */
  readonly against: string | undefined;
  /** Idle connections. */
  readonly connections: number;
  /** Names of the servers that take part, besides the one of `against`. Empty: all. */
  readonly contestants: readonly string[];
}
