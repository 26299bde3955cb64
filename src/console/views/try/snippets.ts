import type { Request } from './open-api.js';

/** A text as one word of a POSIX shell. */
const quote = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A request as a `curl` command. @param origin of the gateway */
export function toCurl({ method, path, headers, body }: Request, origin: string): string {
  const lines = [
    `curl${method === 'GET' ? '' : ` -X ${method}`} ${quote(origin + path)}`,
    ...Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`-d ${quote(body)}`]),
  ];
  return lines.join(' \\\n  ');
}

/** What {@link toClientCode} shows. */
export interface Client {
  readonly origin: string;
  readonly namespace: string;
  readonly event: string;
}

/** A client of a web page that receives an event. */
export const toClientCode = ({ origin, namespace, event }: Client): string => `import { io } from 'socket.io-client';

const socket = io(${toLiteral(`${origin}${namespace}`)}, {
  transports: ['websocket'],
  auth: { token }, // a JWT that your backend has signed
});

socket.on(${toLiteral(event)}, (data, acknowledge) => {
  console.log(data);
  acknowledge?.(); // only durable messages have one
});`;

/** A string literal of JavaScript. */
const toLiteral = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
