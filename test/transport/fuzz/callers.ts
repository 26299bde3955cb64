import { signToken } from '../../support/gateway.js';
import { poolsOf, SCRAPERS } from './pools.js';
import type { Pools } from './samples.js';
import type { Circle } from './world.js';

/** A client that sends events. */
export interface Caller {
  readonly name: string;
  readonly namespaces: readonly string[];
  /** Claims of the token. */
  readonly token: string | undefined;
  /** Credentials of the CONNECT packet as JSON; `''`: none. */
  readonly auth: string;
  readonly pools: Pools;
  /** Query of the connection URL. */
  readonly query: string;
}

/** The fuzzer's token for the push site. */
export const SITE_TOKEN = 'reader';
export const SITE = 'news';

const USER_NAMESPACES = ['/v1/conversation', '/v1/conversation/live', '/v1/shared'];

interface People extends Record<'own' | 'other' | 'odd' | 'witness', Circle> {
  /** Ids of the files of `own` and `witness`. */
  readonly files: readonly string[];
}

/** One caller of each kind, with the ids that it can know. */
export function inventCallers({ own, other, odd, witness, files }: People): Caller[] {
  const withToken = (name: string, token: string, rest: Pick<Caller, 'namespaces' | 'pools'> & Partial<Caller>) => ({
    name,
    token,
    auth: JSON.stringify({ token }),
    query: 'EIO=4',
    ...rest,
  });
  const users = (circle: Circle, name: string, foreign: Circle[]): Caller[] =>
    circle.users.map((uid, index) => {
      const isAgent = index < 2;
      // Agents can reach users of every account through their department.
      const reach = isAgent ? { participants: circle.users } : {};
      const token = signToken({ uid, account_id: circle.account });
      return withToken(`${name} ${index}`, token, {
        namespaces: ['/', ...USER_NAMESPACES, ...(isAgent ? ['/department'] : [])],
        pools: {
          ...poolsOf(circle, foreign),
          token: [token, 'x'],
          session_id: [circle.session],
          fileId: files,
          ...reach,
        },
        query: isAgent ? `EIO=4&departmentId=${circle.department}` : 'EIO=4',
      });
    });
  const visitor = signToken({
    uid: undefined,
    scope: undefined,
    type: 'visitor',
    visitor_id: own.visitor,
    account_id: own.account,
    conversation_ids: [own.visited],
  });
  const stranger = signToken({ uid: 'user-1', account_id: 'account-1' });
  const pools = { ...poolsOf(own, [witness]), fileId: files };
  return [
    ...users(own, 'user', [witness]),
    ...users(other, 'user of another account', [own, witness]),
    ...users(odd, 'user among odd documents', [witness]).slice(1, 3),
    withToken('user of another platform', stranger, { namespaces: USER_NAMESPACES, pools }),
    withToken('visitor', visitor, { namespaces: ['/'], pools: { ...pools, conversationId: [own.visited] } }),
    {
      name: 'user of a site',
      token: SITE_TOKEN,
      auth: JSON.stringify({ token: SITE_TOKEN, deviceId: 'd' }),
      pools,
      namespaces: [`/${SITE}`],
      query: 'EIO=4',
    },
    { name: 'public of a site', token: undefined, auth: '', pools, namespaces: [`/${SITE}`], query: 'EIO=4' },
    {
      name: 'unauthenticated',
      token: undefined,
      auth: '',
      namespaces: ['/v1/lead-finder'],
      query: 'EIO=4',
      pools: { ...pools, scraper_id: SCRAPERS },
    },
  ];
}
