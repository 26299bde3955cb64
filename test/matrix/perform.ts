import type { TestClient } from '../support/client.js';
import type { TestResponse } from '../support/gateway.js';
import { API_KEY, signToken } from '../support/gateway.js';
import type { EventRow, Ids, Kind, RouteRow } from './kinds.js';
import type { Connect, EventOperation, Operation, RouteOperation } from './operations.js';
import { isRefusedAtConnect } from './outcomes.js';
import { isLocked, whileLocked } from './people.js';
import { sendRaw } from './raw.js';
import { rowOf } from './rows/index.js';
import { otherSite, type Scene, site } from './scene.js';

/** The result of a call. */
export interface Result {
  /** The code of a refusal; `undefined`: it succeeded. */
  readonly code: string | undefined;
  /** Everything that the caller received. */
  readonly answer: string;
}

const DISCONNECTED = 'disconnected: io server disconnect';

/** Performs operations as a kind of caller, on the second node. */
export function createPerform(scene: Scene) {
  const { environment, people, clientOf, departmentId } = scene;
  const { actors } = people;
  const gateway = environment.node(1);

  /** Waits until the node knows that a user is locked: namespaces of `/v1` check after the connect. */
  const settle = async (kind: Kind): Promise<void> => {
    const admitted = await scene.open(actors[kind], '/v1/shared').catch(() => undefined);
    await admitted?.closed;
  };

  const connect = async ({ namespace }: Connect, kind: Kind): Promise<Result> => {
    if (isLocked(kind) && isRefusedAtConnect(namespace, kind)) await settle(kind);
    const isSite = namespace === '/{site}';
    const actor = isSite && kind === 'member' ? { ...actors.member, token: site.token } : actors[kind];
    try {
      const client = await scene.open(actor, isSite ? `/${site.name}` : namespace);
      client.close();
      return { code: undefined, answer: '' };
    } catch (error) {
      const { data, message } = error as { data?: { message?: string }; message: string };
      return { code: data?.message ?? message, answer: message };
    }
  };

  const ask = async (client: TestClient, { name }: EventOperation, args: readonly unknown[]): Promise<Result> => {
    const answer = await Promise.race([client.ask(name, ...args), client.closed]);
    if (typeof answer === 'string') return { code: `disconnected: ${answer}`, answer };
    return {
      code: answer.success === true ? undefined : (answer.code ?? answer.message),
      answer: JSON.stringify(answer),
    };
  };

  /** Sends the event although the connect was refused. */
  const insist = async (operation: EventOperation, kind: Kind, args: readonly unknown[]): Promise<Result> => {
    const { namespace, name } = operation;
    if (isLocked(kind)) await settle(kind);
    const { token } = actors[kind];
    const { code, isAnswered } = await sendRaw(gateway, { namespace, departmentId, token, event: name, args });
    if (isAnswered) return { code: undefined, answer: 'the event of a refused client was answered' };
    return kind === 'noScope' ? afterLosingScope(operation, args) : { code, answer: '' };
  };

  /** Renews the token of a connected client by one without a scope, and sends the event then. */
  const afterLosingScope = async (operation: EventOperation, args: readonly unknown[]): Promise<Result> => {
    const { claims } = actors.noScope;
    const scoped = { ...actors.noScope, token: signToken({ ...claims, scope: 'conversation' }) };
    const client = await scene.open(scoped, operation.namespace);
    await client.ask('refresh_token', { token: signToken({ ...claims, scope: undefined }) });
    const result = await ask(client, operation, args);
    client.close();
    return result;
  };

  const sendWhileLocked = async (operation: EventOperation, kind: Kind, args: readonly unknown[]): Promise<Result> => {
    const client = await scene.open(actors[kind], operation.namespace);
    const result = await whileLocked(environment.models, { kind, actor: actors[kind] }, async () => {
      const answered = await ask(client, operation, args);
      if (answered.code !== DISCONNECTED) return answered;
      // The watch for locked users was faster than the event, which must not find its user unlocked.
      await settle(kind);
      return { ...answered, code: 'INVALID_TOKEN' };
    });
    client.close();
    return result;
  };

  const send = async (operation: EventOperation, kind: Kind, ids: Ids): Promise<Result> => {
    const args = (rowOf(operation) as EventRow).args(ids);
    const { namespace } = operation;
    if (isRefusedAtConnect(namespace, kind)) {
      return whileLocked(environment.models, { kind, actor: actors[kind] }, () => insist(operation, kind, args));
    }
    if (isLocked(kind)) return sendWhileLocked(operation, kind, args);
    return ask(await clientOf(kind, namespace), operation, args);
  };

  const call = async (operation: RouteOperation, kind: Kind, ids: Ids): Promise<Result> => {
    const { method, path, caller = 'backend' } = operation.route;
    const { params = {}, query = {}, body } = (rowOf(operation) as RouteRow).request?.(ids) ?? {};
    const filled = path.replaceAll(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
    const search = Object.keys(query).length === 0 ? '' : `?${new URLSearchParams(query)}`;
    const headers = toCredentials(caller, kind, actors[kind].token);
    const work = () => gateway.call(method.toUpperCase(), filled + search, body, headers);
    return toResult(await whileLocked(environment.models, { kind, actor: actors[kind] }, work));
  };

  return async (operation: Operation, kind: Kind, ids: Ids): Promise<Result> => {
    switch (operation.kind) {
      case 'connect':
        return whileLocked(environment.models, { kind, actor: actors[kind] }, () => connect(operation, kind));
      case 'event':
        return send(operation, kind, ids);
      default:
        return call(operation, kind, ids);
    }
  };
}

/** The headers of a caller. The control has the right key; others show what they have, also in the place of a key. */
function toCredentials(caller: string, kind: Kind, token: string | undefined): Record<string, string> {
  const isKeyed = caller === 'backend' || caller === 'site';
  if (isKeyed && kind === 'member') return { 'x-api-key': caller === 'site' ? site.key : API_KEY };
  const key = kind === 'otherSite' ? otherSite.key : isKeyed ? token : undefined;
  return { 'x-api-key': key ?? '', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
}

function toResult({ status, text, json }: TestResponse): Result {
  if (status < 300) return { code: undefined, answer: text };
  // Push sites are answered in text.
  if (json === undefined) return { code: status === 400 || status === 401 ? 'INVALID_API_KEY' : text, answer: text };
  return { code: json.code ?? json.message, answer: text };
}
