import type { Request } from 'express';
import { consoleApi } from '#shared/contracts/console.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import { createEntrance } from './entrance.js';
import { createPages } from './pages.js';
import { createRoutes } from './routes.js';
import { createSessions } from './sessions.js';
import { Visits } from './visits.js';

/** `/console`: the operators' page, and the sessions by which it calls the routes. */
export function createConsole(context: Context): Integration[] {
  const { config, logger, consoleDirectories } = context;
  if (!config.console.isOn) return [];
  const sessions = createSessions(context);
  const visits = new Visits();
  const pages = createPages(consoleDirectories);
  const { hasPayloads } = config.console;
  // Before the body is read.
  const authorize = (request: Request): undefined => void visits.ensure(request);
  return [
    {
      name: consoleApi.name,
      routes: mountRoutes(consoleApi, createRoutes(context, { sessions, visits }), { authorize }),
      entrance: createEntrance({ sessions, visits, pages, hasPayloads, logger }),
    },
  ];
}
