/** Typed client of the gateway for backends. `README.md` says how to use it. */
export { GatewayClientError, type GatewayErrorCode, type GatewayErrorDetail } from '../client/error.js';
export { type Backend, type BackendOptions, type BatchResult, createBackend } from './backend.js';
export { createSite, type Site, type SiteOptions } from './site.js';
export type { BatchItem, DeliveriesQuery, DurableAnswer, DurableOptions, EmitOptions } from './types.js';
