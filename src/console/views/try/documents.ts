import { request } from '../../api.js';
import { type Namespace, toNamespaces } from './async-api.js';
import { type RouteOffer, toRoutes } from './open-api.js';

/** The namespaces of this gateway, from its AsyncAPI document. @throws ApiError */
export const loadNamespaces = async (abort: AbortSignal): Promise<Namespace[]> =>
  toNamespaces(await (await request('/asyncapi.json', { signal: abort })).json());

/** The routes of this gateway, from its OpenAPI document. @throws ApiError */
export const loadRoutes = async (abort: AbortSignal): Promise<RouteOffer[]> =>
  toRoutes(await (await request('/openapi.json', { signal: abort })).json());
