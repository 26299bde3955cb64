import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { signToken } from '../../support/gateway.js';
import { enterRaw, openRaw, type RawConnection } from './raw-connection.js';
import { useTarget } from './target.js';

const current = useTarget();

const NAMESPACE = '/v1/shared';
const SUCCESS = '{"success":true,"message":"SUCCESS"}';
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

/** Holds when the connection is still open and in its namespace. */
async function expectOpen(connection: RawConnection): Promise<void> {
  connection.send(`42${NAMESPACE},99["join"]`);
  expect(await connection.next()).toBe(`43${NAMESPACE},99[${SUCCESS}]`);
}

/** Frames that break the protocol: the connection that sent them is closed. */
const BREAKING: Record<string, readonly (string | Buffer)[]> = {
  'no packet': [''],
  garbage: ['\u0000\ufffd garbage \ud83d'],
  'an unknown type of Engine.IO': ['9'],
  'an Engine.IO packet of the server': ['0{"sid":"1"}', '2'],
  'a ping, which is the server\u2019s to send': ['2'],
  'a probe': ['2probe'],
  'no packet of Socket.IO': ['4'],
  'an unknown type of Socket.IO': ['47'],
  'a type that is no number': ['4x'],
  'a namespace that was not connected': ['42/v1/conversation,["join"]'],
  'an event cut off': [`42${NAMESPACE},["join",{"a"`],
  'an event that is an object': [`42${NAMESPACE},{"0":"join"}`],
  'an event without a name': [`42${NAMESPACE},[]`],
  'an event whose name is null': [`42${NAMESPACE},[null]`],
  'an event whose name is an object': [`42${NAMESPACE},[{"toString":1}]`],
  'the event connect': [`42${NAMESPACE},["connect"]`],
  'the event connect_error': [`42${NAMESPACE},["connect_error"]`],
  'the event disconnect': [`42${NAMESPACE},["disconnect"]`],
  'the event disconnecting': [`42${NAMESPACE},["disconnecting"]`],
  'the event newListener': [`42${NAMESPACE},["newListener",1]`],
  'the event removeListener': [`42${NAMESPACE},["removeListener"]`],
  'a CONNECT whose credentials are a list': ['40/v1/conversation,["token"]'],
  'a CONNECT whose credentials are null': ['40/v1/conversation,null'],
  'a CONNECT_ERROR': [`44${NAMESPACE},{"message":"no"}`],
  'a DISCONNECT with data': [`41${NAMESPACE},{}`],
  'an acknowledgement that is no list': [`43${NAMESPACE},1{}`],
  'an absurd number of attachments': [`451000000-${NAMESPACE},["join",{"_placeholder":true,"num":0}]`],
  'a negative number of attachments': [`45-1-${NAMESPACE},["join"]`],
  'attachments without a number': [`45${NAMESPACE},["join"]`],
  'an undeclared attachment': [Buffer.from('join')],
  'binary announced, then text': [`451-${NAMESPACE},["join",{"_placeholder":true,"num":0}]`, `42${NAMESPACE},["join"]`],
  'a frame larger than SOCKET_MESSAGE_MAX': ['x'.repeat(1_100_000)],
};

describe('a frame that breaks the protocol', () => {
  test.each(Object.entries(BREAKING))('closes its own connection: %s', async (_name, frames) => {
    const connection = await enterRaw(current().gateway, { claims: { uid: 'attacker' } });
    for (const frame of frames) connection.send(frame);
    expect(await connection.next()).toBeUndefined();
    await connection.closed;
    await current().expectUnharmed();
  });
});

const refusedFor = (message: string): string =>
  `43${NAMESPACE},1[{"success":false,"message":"VALIDATION_ERROR","additional_info":{"errno":400,"details":[{"path":"","message":"${message}"}]}}]`;

/** Frames that mean nothing, or are answered, and the answer. */
const HARMLESS: Record<string, { frames: readonly (string | Buffer)[]; answer?: string }> = {
  'an unsolicited pong': { frames: ['3'] },
  'an Engine.IO noop': { frames: ['6'] },
  'an Engine.IO upgrade': { frames: ['5'] },
  'an unsolicited acknowledgement': { frames: [`43${NAMESPACE},12345[]`, `43${NAMESPACE},[{}]`] },
  'an acknowledgement with binary': {
    frames: [`461-${NAMESPACE},7[{"_placeholder":true,"num":0}]`, Buffer.from('x')],
  },
  'an event whose name is a number': {
    frames: [`42${NAMESPACE},1[0]`],
    answer: `43${NAMESPACE},1[{"success":false,"message":"NOT_FOUND","additional_info":{"errno":404}}]`,
  },
  'an event whose name is infinite': {
    frames: [`42${NAMESPACE},1[1e400,{}]`],
    answer: `43${NAMESPACE},1[{"success":false,"message":"NOT_FOUND","additional_info":{"errno":404}}]`,
  },
  'an event of nothing at all': {
    frames: [`42${NAMESPACE},`],
    answer: `42${NAMESPACE},["event_error",{"success":false,"event":"","message":"NOT_FOUND","additional_info":{"errno":404}}]`,
  },
  'an event of nothing but the wish for an answer': {
    frames: [`42${NAMESPACE},1`],
    answer: `43${NAMESPACE},1[{"success":false,"message":"NOT_FOUND","additional_info":{"errno":404}}]`,
  },
  'a lone surrogate for a name': {
    frames: [`42${NAMESPACE},["\\ud800"]`],
    answer: `42${NAMESPACE},["event_error",{"success":false,"event":"\\ud800","message":"NOT_FOUND","additional_info":{"errno":404}}]`,
  },
  'data nested to 400,000 levels': {
    frames: [`42${NAMESPACE},1["join",{"deep":${nested(400_000)}}]`],
    answer: refusedFor('must not be nested deeper than 128 levels'),
  },
  'arguments nested to 400,000 levels': {
    frames: [`42${NAMESPACE},1["join",{},${nested(400_000)}]`],
    answer: refusedFor('must not be nested deeper than 128 levels'),
  },
  'the same key a hundred thousand times': {
    frames: [`42${NAMESPACE},1["join",{${Array(100_000).fill('"a":1').join(',')}}]`],
    answer: refusedFor('must not have more than 10000 elements'),
  },
  'a hundred thousand arguments': {
    frames: [`42${NAMESPACE},1["join",{}${',0'.repeat(100_000)}]`],
    answer: refusedFor('must not have more than 10000 elements'),
  },
  'a large event cut off': {
    frames: [`42${NAMESPACE},1["join",{"a":"${'x'.repeat(2000)}"`],
    answer: refusedFor('is not JSON'),
  },
  'placeholders nested beyond the stack, for binary where there is none': {
    frames: [`451-${NAMESPACE},1["join",${nested(400_000)},{"_placeholder":true,"num":0}]`, Buffer.from('x')],
    answer: refusedFor('must not be binary'),
  },
  'an unknown namespace': {
    frames: ['40/v1/nowhere,{}'],
    answer: '44/v1/nowhere,{"message":"NOT_FOUND","data":{"errno":404,"message":"NOT_FOUND"}}',
  },
  'the namespace of the chats without credentials': {
    frames: ['40'],
    answer: '44{"message":"Authentication token required","data":{"errno":401,"message":"INVALID_TOKEN"}}',
  },
  'a CONNECT without credentials': {
    frames: ['40/v1/conversation,'],
    answer: '44/v1/conversation,{"message":"INVALID_TOKEN","data":{"errno":401,"message":"INVALID_TOKEN"}}',
  },
  'a CONNECT with a key __proto__': {
    frames: [`40/v1/conversation,{"__proto__":{"token":${JSON.stringify(signToken())}}}`],
    answer: '44/v1/conversation,{"message":"INVALID_TOKEN","data":{"errno":401,"message":"INVALID_TOKEN"}}',
  },
  'a CONNECT with a token of 30,000 characters': {
    frames: [`40/v1/conversation,{"token":"${'x'.repeat(30_000)}"}`],
    answer: '44/v1/conversation,{"message":"INVALID_TOKEN","data":{"errno":401,"message":"INVALID_TOKEN"}}',
  },
};

describe('a frame without meaning', () => {
  test.each(Object.entries(HARMLESS))('closes no connection: %s', async (_name, { frames, answer }) => {
    const connection = await enterRaw(current().gateway, { claims: { uid: 'attacker' } });
    for (const frame of frames) connection.send(frame);
    if (answer !== undefined) expect(await connection.next()).toBe(answer);
    await expectOpen(connection);
    connection.close();
    await current().expectUnharmed();
  });
});

describe('a connection', () => {
  test('ends with a binary event whose attachment never arrives', async () => {
    const connection = await enterRaw(current().gateway, { claims: { uid: 'attacker' } });
    connection.send(`4510-${NAMESPACE},["join",{"_placeholder":true,"num":0}]`);
    for (let sent = 0; sent < 9; sent += 1) connection.send(Buffer.alloc(1_000_000));
    connection.close();
    await connection.closed;
    await current().expectUnharmed();
  });

  test('is refused anything but CONNECT before it is in a namespace', async () => {
    for (const frame of [`42${NAMESPACE},["join"]`, `41${NAMESPACE},`, `43${NAMESPACE},1[]`]) {
      const connection = await openRaw(current().gateway);
      connection.send(frame);
      expect(await connection.next()).toBeUndefined();
    }
    await current().expectUnharmed();
  });
});

const UPGRADE = [
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
  'host: gateway',
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  '',
  '',
].join('\r\n');

/** Bytes that are no WebSocket frames (RFC 6455, section 5.2). */
const BYTES: Record<string, Buffer> = {
  'a frame cut off in its header': Buffer.from([0x81]),
  'a frame cut off in its payload': Buffer.from([0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 0x34]),
  'a frame without a mask': Buffer.from([0x81, 0x01, 0x33]),
  'a reserved opcode': Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
  'reserved bits': Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
  'a fragmented control frame': Buffer.from([0x09, 0x80, 0, 0, 0, 0]),
  'a continuation of nothing': Buffer.from([0x80, 0x80, 0, 0, 0, 0]),
  'a length of 2^63': Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  'text that is not UTF-8': Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]),
  'a close frame of one byte': Buffer.from([0x88, 0x81, 0, 0, 0, 0, 1]),
  'a close code that does not exist': Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x00, 0x01]),
  HTTP: Buffer.from('GET /status HTTP/1.1\r\n\r\n'),
};

describe('bytes that are not a frame', () => {
  test.each(Object.entries(BYTES))('close no other connection: %s', async (_name, bytes) => {
    const tcp = connectTcp(current().gateway.port, '127.0.0.1');
    tcp.on('error', () => undefined);
    tcp.write(UPGRADE);
    const [head] = await once(tcp, 'data');
    expect(String(head)).toContain('101 Switching Protocols');
    tcp.resume();
    tcp.end(bytes);
    await once(tcp, 'close');
    await current().expectUnharmed();
  });
});

const UNKNOWN_TRANSPORT = 'Transport unknown: this server takes websocket only; connect with transports: ["websocket"]';

const UNKNOWN_SESSION =
  'Session ID unknown: the connection has ended, or is on another node; polling needs sticky sessions';

const UNSUPPORTED_PROTOCOL = 'Unsupported protocol version: this server takes clients of Socket.IO 3 and 4';

/** Requests for a connection that are not granted, and how. */
const HANDSHAKES: Record<string, { query: string; code: number; message: string }> = {
  'polling, which is not allowed': { query: 'EIO=4&transport=polling', code: 0, message: UNKNOWN_TRANSPORT },
  'an unknown transport': { query: 'EIO=4&transport=carrier-pigeon', code: 0, message: UNKNOWN_TRANSPORT },
  'a transport called __proto__': { query: 'EIO=4&transport=__proto__', code: 0, message: UNKNOWN_TRANSPORT },
  'two transports': { query: 'EIO=4&transport=websocket&transport=polling', code: 0, message: UNKNOWN_TRANSPORT },
  'no transport': { query: 'EIO=4', code: 0, message: UNKNOWN_TRANSPORT },
  'an unknown session': {
    query: 'EIO=4&transport=websocket&sid=unknown-session',
    code: 1,
    message: UNKNOWN_SESSION,
  },
  'a session called __proto__': {
    query: 'EIO=4&transport=websocket&sid=__proto__',
    code: 1,
    message: UNKNOWN_SESSION,
  },
  'a session called constructor': {
    query: 'EIO=4&transport=websocket&sid=constructor',
    code: 1,
    message: UNKNOWN_SESSION,
  },
  'a websocket without an upgrade': { query: 'EIO=4&transport=websocket', code: 3, message: 'Bad request' },
};

describe('a handshake that is not granted', () => {
  test.each(Object.entries(HANDSHAKES))('is answered: %s', async (_name, { query, code, message }) => {
    const response = await fetch(`${current().gateway.url}/socket.io/?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ code, message });
    await current().expectUnharmed();
  });
});

describe('an upgrade that is not granted', () => {
  test.each([
    ['an unknown session', 'EIO=4&transport=websocket&sid=unknown-session', UNKNOWN_SESSION],
    ['another transport', 'EIO=4&transport=polling', UNKNOWN_TRANSPORT],
    ...['EIO=3', 'EIO=', 'EIO=5', 'EIO=4x', 'EIO=__proto__'].map((protocol) => [
      `another protocol, ${protocol}`,
      `${protocol}&transport=websocket`,
      UNSUPPORTED_PROTOCOL,
    ]),
  ])('is answered: %s', async (_name, query, message) => {
    const socket = new WebSocket(`${current().gateway.url}/socket.io/?${query}`);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(400);
    expect(await text(response)).toContain(message);
    await current().expectUnharmed();
  });
});
