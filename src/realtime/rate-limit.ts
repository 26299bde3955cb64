/** How much of something one caller may do: `points` in each window of `windowMs`. */
export interface Limit {
  readonly points: number;
  readonly windowMs: number;
}
