import type { FunctionComponent } from 'preact';
import { matchPath, type PathValues } from './paths.js';
import { Overview } from './views/overview.js';
import { Sites } from './views/sites.js';

/** What a view gets: the `:names` of its path. The query is in `place` of `routes.ts`. */
export interface ViewProps {
  readonly values: PathValues;
}

/** A page of the console. */
export interface Page {
  /** With `:names`. */
  readonly path: string;
  /** In the navigation; absent: reached by links only. */
  readonly label?: string;
  readonly View: FunctionComponent<ViewProps>;
}

/** Every page. A new view is one more line. */
export const pages: readonly Page[] = [
  { path: '/console/', label: 'Overview', View: Overview },
  { path: '/console/sites', label: 'Sites', View: Sites },
];

/** The page at a path, with the values of its `:names`. */
export function findPage(path: string): { readonly page: Page; readonly values: PathValues } | undefined {
  for (const page of pages) {
    const values = matchPath(page.path, path);
    if (values !== undefined) return { page, values };
  }
  return undefined;
}

/** Whether a path belongs to a page of the navigation: it is the page, or below it. */
export const isWithin = (path: string, page: Page): boolean =>
  page.path === '/console/' ? matchPath(page.path, path) !== undefined : `${path}/`.startsWith(`${page.path}/`);
