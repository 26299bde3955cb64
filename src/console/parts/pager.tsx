import type { JSX } from 'preact';

/** Where a list with cursors is: the cursors of the pages up to the one that is shown. The first page has none. */
export type PageCursors = readonly string[];

interface PagerProps {
  readonly cursors: PageCursors;
  readonly change: (cursors: PageCursors) => void;
  /** The cursor of the page after the one that is shown; `null`: that is the last. */
  readonly next: string | null;
  /** Labels of the buttons: to the page before, and to the next one. */
  readonly labels: readonly [before: string, next: string];
}

/** Buttons to the page before and to the next one, where there are such. */
export function Pager({ cursors, change, next, labels: [toBefore, toNext] }: PagerProps): JSX.Element {
  return (
    <div class="buttons">
      {cursors.length === 0 ? null : (
        <button type="button" onClick={() => change(cursors.slice(0, -1))}>
          {toBefore}
        </button>
      )}
      {next === null ? null : (
        <button type="button" onClick={() => change([...cursors, next])}>
          {toNext}
        </button>
      )}
    </div>
  );
}
