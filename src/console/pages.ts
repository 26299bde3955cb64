import type { FunctionComponent } from 'preact';
import { matchPath, type PathValues, type ViewProps } from './paths.js';
import { Live } from './views/live/live.js';
import { MessagePage } from './views/message/message.js';
import { MessageSearch } from './views/message/search.js';
import { NodePage } from './views/node.js';
import { Overview } from './views/overview.js';
import { Sites } from './views/sites.js';
import { Events } from './views/try/events.js';
import { QuickStart } from './views/try/quick-start.js';
import { Routes } from './views/try/rest.js';
import { UserSearch } from './views/user/search.js';
import { UserPage } from './views/user/user.js';

/** A page of the console. */
export interface Page {
  /** With `:names`. */
  readonly path: string;
  /** In the navigation; absent: reached by links only. */
  readonly label?: string;
  readonly View: FunctionComponent<ViewProps>;
}

const NODE = '/console/nodes/:id';

/** Every page. A new view is one more line. */
export const pages: readonly Page[] = [
  { path: '/console/', label: 'Overview', View: Overview },
  { path: NODE, View: NodePage },
  { path: '/console/users', label: 'Users', View: UserSearch },
  { path: '/console/users/:id', View: UserPage },
  { path: '/console/messages', label: 'Messages', View: MessageSearch },
  { path: '/console/messages/:id', View: MessagePage },
  { path: '/console/live', label: 'Live', View: Live },
  { path: '/console/sites', label: 'Sites', View: Sites },
  { path: '/console/try', label: 'Try it', View: QuickStart },
  { path: '/console/try/events', View: Events },
  { path: '/console/try/routes', View: Routes },
];

/** The page at a path, with the values of its `:names`. */
export function findPage(path: string): { readonly page: Page; readonly values: PathValues } | undefined {
  for (const page of pages) {
    const values = matchPath(page.path, path);
    if (values !== undefined) return { page, values };
  }
  return undefined;
}

/** Whether a path belongs to a page of the navigation: it is the page, or below it. Nodes belong to the overview. */
export const isWithin = (path: string, page: Page): boolean =>
  page.path === '/console/'
    ? [page.path, NODE].some((pattern) => matchPath(pattern, path) !== undefined)
    : `${path}/`.startsWith(`${page.path}/`);
