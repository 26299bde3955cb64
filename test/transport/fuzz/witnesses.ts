import type { TestClient } from '../../support/client.js';
import { connect } from '../../support/client.js';
import { signToken } from '../../support/gateway.js';
import type { Judge } from './judge.js';
import type { FuzzNode } from './node.js';
import type { Circle } from './world.js';

/** A client that the fuzzer must not affect. */
interface Witness {
  readonly name: string;
  readonly client: TestClient;
  /** Names and arguments of all received events. */
  readonly heard: [string, unknown[]][];
  /** Sends an event to this witness through the other node. @returns its name */
  call(): Promise<string>;
}

/** The push site of the witness, and its key. */
export const WITNESS_SITE = { name: 'shop', key: 'key of the site shop', token: 'witness' } as const;
/** Last name of the witnesses. It marks events that they caused themselves. */
export const WITNESS = 'Witness';
const WITNESS_SCRAPER = 'scraper-of-the-witness';

/** Events after the connect, and events caused by the witnesses themselves. */
const OWN = new Set(['presence_snapshot', '_settings', 'user_online', 'user_offline', 'active_status', 'agent_online']);

/** Connects witnesses of another account, another site and other chats to both nodes. */
export async function placeWitnesses(nodes: readonly FuzzNode[], circle: Circle): Promise<Witnesses> {
  const [first, second] = nodes;
  if (first === undefined || second === undefined) throw new Error('two nodes are needed');
  const [wes = '', wanda = ''] = circle.users;
  const [support = ''] = circle.support;
  const [chat = ''] = circle.chats;
  const claims = (uid: string) => ({ uid, account_id: circle.account });
  const visitor = {
    uid: undefined,
    scope: undefined,
    type: 'visitor',
    visitor_id: circle.visitor,
    account_id: circle.account,
    conversation_ids: [circle.visited],
  };
  const place = async (
    name: string,
    options: Parameters<typeof connect>[1],
    call: Witness['call'],
  ): Promise<Witness> => {
    const client = await connect(first, options);
    const heard: Witness['heard'] = [];
    client.socket.onAny((event: string, ...args: unknown[]) => heard.push([event, args]));
    return { name, client, heard, call };
  };
  const namespace = '/';
  const speaker = await connect(second, { namespace, claims: claims(wanda) });
  const emit = (path: string) => async () => {
    await second.ask('POST', `${path}/barrier${path.startsWith('/emit') ? '?namespace=*' : ''}`, {});
    return 'barrier';
  };
  const say = (event: string, data: object, heard: string) => async () => {
    await speaker.ask(event, data);
    return heard;
  };
  const department = { namespace: '/department', claims: claims(wes), query: { departmentId: circle.department } };
  const site = { namespace: `/${WITNESS_SITE.name}`, claims: null, auth: { token: WITNESS_SITE.token } };
  const key = encodeURIComponent(WITNESS_SITE.key);
  const witnesses = await Promise.all([
    ...['/v1/shared', '/v1/conversation', '/v1/conversation/live'].map((name) =>
      place(name, { namespace: name, claims: claims(wes) }, emit(`/emit/${wes}`)),
    ),
    place(
      'support',
      { namespace, claims: claims(wes) },
      say('send_message', { conversationId: support, content: WITNESS }, 'new_message'),
    ),
    place(
      'community',
      { namespace, claims: claims(wes) },
      say('chat:send_message', { chatId: chat, content: WITNESS }, 'chat:new_message'),
    ),
    place(
      'visitor',
      { namespace, claims: visitor },
      say('join_conversation', { conversationId: circle.visited }, 'user_joined'),
    ),
    place(
      'department',
      department,
      say('create_conversation', { departmentId: circle.department, subject: WITNESS }, 'new_conversation'),
    ),
    place('scraper', { namespace: '/v1/lead-finder', claims: null }, emit(`/lead-finder/${WITNESS_SCRAPER}/emit`)),
    place('site', site, async () => {
      await second.ask('POST', `/send?site=${WITNESS_SITE.name}&apiKey=${key}`, {
        rooms: 'hall',
        event: 'barrier',
        args: [],
      });
      return 'barrier';
    }),
  ]);
  const scraper = witnesses.find(({ name }) => name === 'scraper');
  await scraper?.client.ask('join', { scraper_id: WITNESS_SCRAPER });

  return {
    async question(judge) {
      for (const { name, client, call } of witnesses) {
        if (!client.socket.connected) judge.fault(`the witness ${name} is not connected any more`);
        const event = await judge.inTime(`the call to ${name}`, call());
        if (event !== undefined) await judge.inTime(`${event} to the witness ${name}`, client.next(event));
      }
      for (const { name, heard } of witnesses) {
        const foreign = heard.filter(([event, args]) => !isOwn(event, args) && !judge.broadcast.has(event));
        for (const told of foreign.slice(0, 3)) judge.fault(`${name} heard ${JSON.stringify(told).slice(0, 500)}`);
      }
    },
    close() {
      speaker.close();
      for (const { client } of witnesses) client.close();
    },
  };
}

const isOwn = (event: string, args: readonly unknown[]): boolean =>
  OWN.has(event) || event === 'barrier' || JSON.stringify(args).includes(WITNESS);

/** All witnesses. */
export interface Witnesses {
  /** Sends each witness an event, as a barrier behind all earlier ones, and records the others that it received. */
  question(judge: Judge): Promise<void>;
  close(): void;
}

/** Token claims of the users of a circle, for its API session. */
export const tokenOf = ({ users: [uid], account }: Circle): string => signToken({ uid, account_id: account });
