import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { addConversation, openChat, talk, visitorClaims } from './chat.js';
import { APNG, PNG, utf16le } from './file-types.js';

const clock = createTestClock();
const MAX_FILE_SIZE = 2_000_000;
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    overrides: { clock },
    env: { MAX_FILE_SIZE: String(MAX_FILE_SIZE), SOCKET_MESSAGE_MAX: '100000' },
  });
});
afterAll(() => environment.close());

/** Reads a file as a user, or as the holder of the claims, from the other node. */
async function read(user: TestUser | Record<string, unknown>, path: string, more: Record<string, string> = {}) {
  const gateway = environment.nodes[1];
  if (gateway === undefined) throw new Error('there is no node');
  const claims = 'accountId' in user ? { uid: user['id'] } : user;
  const response = await fetch(gateway.url + path, {
    headers: { authorization: `Bearer ${signToken(claims)}`, ...more },
  });
  return { response, content: Buffer.from(await response.arrayBuffer()) };
}

const chunksOf = async (): Promise<number> =>
  environment.models.User.db.collection('support.files.chunks').countDocuments();

test('a file is stored, posted in its conversation, and readable by those who can open that', async () => {
  const { ann, bob, eve, a, b, conversationId } = await talk(environment);
  const file = dataOf(
    await a.ask('file_upload', PNG, { conversationId, fileName: '../../etc/Bild "ä".png', mimeType: 'image/png' }),
  );
  expect(file).toEqual({
    fileId: expect.stringMatching(/^[0-9a-f]{24}$/),
    fileUrl: `/files/${file.fileId}`,
    fileName: 'Bild "ä".png',
    fileSize: PNG.length,
    fileType: 'image/png',
  });
  const [message] = await b.next('new_message');
  expect(message).toMatchObject({ conversationId, senderId: ann.id, type: 'image', content: 'Bild "ä".png', file });
  const { response, content } = await read(bob, file.fileUrl);
  expect(response.status).toBe(200);
  expect(content).toEqual(PNG);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-length': String(PNG.length),
    'content-disposition': `attachment; filename="Bild ___.png"; filename*=UTF-8''Bild%20%22%C3%A4%22.png`,
    'x-content-type-options': 'nosniff',
    'cache-control': expect.stringContaining('no-store'),
  });
  const denied = await read(eve, file.fileUrl);
  expect([denied.response.status, JSON.parse(String(denied.content))]).toEqual([
    404,
    { success: false, message: 'File not found or access denied', code: 'NOT_FOUND' },
  ]);
  await environment.models.SupportConversation.updateOne({ _id: conversationId }, { $pull: { participants: bob.id } });
  expect((await read(bob, file.fileUrl)).response.status).toBe(404);
});

test('bytes without metadata, as the original client sends them, are kept for their owner', async () => {
  const [ann, eve] = await environment.people('Ann', 'Eve');
  const a = await openChat(environment, ann);
  a.socket.emit('file_upload', Buffer.from('no acknowledgement requested'));
  const file = dataOf(await a.ask('file_upload', Buffer.from('plain words')));
  expect(file).toMatchObject({ fileName: 'file', fileSize: 11, fileType: 'text/plain' });
  const own = await read(ann, file.fileUrl);
  expect([own.response.headers.get('content-type'), String(own.content)]).toEqual(['text/plain', 'plain words']);
  expect((await read(eve, file.fileUrl)).response.status).toBe(404);
  expect((await read(visitorClaims(ann.id), file.fileUrl)).response.status).toBe(404);
  expect((await read(ann, `/files/${'0'.repeat(24)}`)).response.status).toBe(404);
  expect((await read(ann, '/files/x')).response.status).toBe(400);
});

test('a file as large as may be is stored; a larger one is an answer, and the socket stays', async () => {
  const { ann, a, conversationId } = await talk(environment);
  const largest = Buffer.alloc(MAX_FILE_SIZE);
  const file = dataOf(await a.ask('file_upload', largest, { conversationId, fileName: 'x.bin' }));
  expect(file).toMatchObject({ fileSize: MAX_FILE_SIZE, fileType: 'application/octet-stream' });
  expect((await read(ann, file.fileUrl)).content.equals(largest)).toBe(true);
  const chunks = await chunksOf();
  for (const size of [MAX_FILE_SIZE + 1, 2 * MAX_FILE_SIZE]) {
    expect(await a.ask('file_upload', Buffer.alloc(size), { conversationId, fileName: 'x.bin' })).toEqual({
      success: false,
      error: 'The file is too large',
      code: 'FILE_TOO_LARGE',
      maxBytes: MAX_FILE_SIZE,
    });
  }
  a.socket.emit('file_upload', Buffer.alloc(MAX_FILE_SIZE + 1));
  expect((await a.next('message_error'))[0]).toMatchObject({ code: 'FILE_TOO_LARGE', event: 'file_upload' });
  expect(a.socket.connected).toBe(true);
  expect(await chunksOf()).toBe(chunks);
});

test('a part of a file is read by a range, and anything but one range is answered with the whole file', async () => {
  const { ann, a, conversationId } = await talk(environment);
  // Larger than what GridFS keeps together.
  const content = Buffer.from(Array.from({ length: 600_000 }, (_, n) => (n * 7919) >> 5));
  const size = content.length;
  const { fileUrl } = dataOf(await a.ask('file_upload', content, { conversationId, fileName: 'film.mp4' }));
  for (const [range, start, end] of [
    ['bytes=0-1', 0, 1],
    ['bytes=261100-261200', 261_100, 261_200],
    ['bytes=599990-', 599_990, size - 1],
    ['bytes=-5', size - 5, size - 1],
    ['bytes=0-9999999', 0, size - 1],
  ] as const) {
    const part = await read(ann, fileUrl, { range });
    expect([part.response.status, part.response.headers.get('content-range')], range).toEqual([
      206,
      `bytes ${start}-${end}/${size}`,
    ]);
    expect(part.response.headers.get('content-length'), range).toBe(String(end - start + 1));
    expect(part.content.equals(content.subarray(start, end + 1)), range).toBe(true);
  }
  for (const headers of [
    {},
    { range: 'bytes=600000-' },
    { range: 'bytes=0-1,5-6' },
    { range: 'lines=0-1' },
    { range: 'x' },
    { range: 'bytes=0-1', 'if-range': '"other"' },
  ]) {
    const whole = await read(ann, fileUrl, headers);
    expect([whole.response.status, whole.response.headers.get('accept-ranges')]).toEqual([200, 'bytes']);
    expect(whole.content.equals(content), JSON.stringify(headers)).toBe(true);
  }
});

test('large frames are accepted only for files, from clients connected to the chat', async () => {
  const { ann, a } = await talk(environment);
  const elsewhere = await environment.open(ann, { namespace: '/v1/shared' });
  const both = await openChat(environment, ann);
  const left = await openChat(environment, ann);
  left.socket.emit('file_upload', Buffer.alloc(200_000));
  await left.ask('get_conversations', {});
  const tries: [TestClient, string, unknown][] = [
    [elsewhere, 'join', { x: 'x'.repeat(200_000) }],
    [elsewhere, 'file_upload', Buffer.alloc(200_000)],
    [both, 'join_conversation', { x: 'x'.repeat(200_000) }],
    [await openChat(environment, ann), 'send_message', Buffer.alloc(200_000)],
    [await openChat(environment, ann), 'file_upload', [Buffer.alloc(200_000), Buffer.alloc(1)]],
    [await openChat(environment, ann), 'file_upload', Buffer.alloc(2 * MAX_FILE_SIZE + 1)],
    // The frame behind a file is as small as any.
    [left, 'join_conversation', { x: 'x'.repeat(200_000) }],
  ];
  for (const [client, event, data] of tries) {
    client.socket.emit(event, data);
    expect(await client.closed, event).toBe('transport close');
  }
  expect(a.socket.connected).toBe(true);
});

test('more files than are received at once all arrive', async () => {
  const people = await environment.people(...Array.from({ length: 12 }, (_, n) => `User ${n}`));
  const conversationId = await addConversation(environment, people);
  const clients = await Promise.all(people.map((user) => openChat(environment, user)));
  const upload = (client: TestClient, n: number) =>
    client.ask('file_upload', Buffer.alloc(MAX_FILE_SIZE / 2, n), { conversationId, fileName: `${n}` });
  // What a node holds and stores at once is bounded too, which more uploads reach when the database is slow.
  const answers = await Promise.all(clients.map(upload));
  expect(answers.some(({ success }) => success)).toBe(true);
  for (const [n, { success, code }] of answers.entries()) {
    if (success) continue;
    expect(['UNAVAILABLE', 'RATE_LIMITED']).toContain(code);
    expect(dataOf(await upload(clients[n] as TestClient, n)).fileSize).toBe(MAX_FILE_SIZE / 2);
  }
});

test('the file type is detected from the content', async () => {
  const { a, conversationId } = await talk(environment);
  const upload = (content: Buffer, mimeType: string | undefined, fileName = 'x') =>
    a.ask('file_upload', content, { conversationId, fileName, mimeType });
  const html = Buffer.from('<html><script>alert(1)</script></html>');
  expect(dataOf(await upload(html, 'text/html', 'x.html')).fileType).toBe('text/plain');
  expect(dataOf(await upload(PNG, undefined, 'x.html')).fileType).toBe('image/png');
  const refused = {
    code: 'VALIDATION_ERROR',
    details: [{ path: '1.mimeType', message: 'is not what the file holds' }],
  };
  expect(await upload(html, 'image/png')).toMatchObject(refused);
  expect(dataOf(await upload(PNG, 'application/pdf')).fileType).toBe('image/png');
  expect(dataOf(await upload(html, '', 'x.ts')).fileType).toBe('text/plain');
  expect(await upload(Buffer.alloc(0), undefined)).toMatchObject({ code: 'VALIDATION_ERROR' });
  for (const args of [
    [],
    [{}],
    ['text'],
    [PNG, 7],
    [PNG, { conversationId }],
    [PNG, { conversationId, fileName: '' }],
  ]) {
    expect(await a.ask('file_upload', ...args), JSON.stringify(args)).toMatchObject({ code: 'VALIDATION_ERROR' });
  }
});

test('valid files of any type are accepted, and served so that nothing in them runs', async () => {
  const { ann, b, a, conversationId } = await talk(environment);
  const files = [
    { fileName: 'می\u200cخواهم.svg', mimeType: 'image/svg+xml', content: '<svg><script>alert(1)</script></svg>' },
    { fileName: '👨\u200d👩\u200d👧.csv', mimeType: 'application/vnd.ms-excel', content: utf16le('a;b\r\n1;2\r\n') },
    { fileName: 'main.ts', mimeType: 'video/mp2t', content: 'export const a = 1;' },
    { fileName: 'spinner.png', mimeType: 'image/png', content: APNG },
  ];
  const served = [];
  for (const { content, ...claim } of files) {
    const file = dataOf(await a.ask('file_upload', Buffer.from(content as Buffer), { conversationId, ...claim }));
    const [message] = await b.next('new_message');
    const answer = await read(ann, file.fileUrl);
    expect(file.fileName).toBe(claim.fileName);
    expect(answer.content).toEqual(Buffer.from(content as Buffer));
    expect(Object.fromEntries(answer.response.headers)).toMatchObject({
      'content-disposition': expect.stringMatching(/^attachment; .*; filename\*=UTF-8''/),
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    });
    const [, name = ''] = (answer.response.headers.get('content-disposition') ?? '').split("UTF-8''");
    expect(decodeURIComponent(name)).toBe(claim.fileName);
    served.push([message.type, answer.response.headers.get('content-type')]);
  }
  expect(served).toEqual([
    ['file', 'image/svg+xml'],
    ['file', 'text/csv'],
    ['file', 'text/plain'],
    ['image', 'image/png'],
  ]);
});

test('an upload that is tried again is one message and one file', async () => {
  const { a, b, conversationId } = await talk(environment);
  const upload = () => a.ask('file_upload', PNG, { conversationId, fileName: 'x.png', clientMessageId: 'f-1' });
  const answers = await Promise.all([upload(), upload()]);
  const again = await upload();
  expect(new Set([...answers, again].map((answer) => dataOf(answer).fileId)).size).toBe(1);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
  const files = environment.models.User.db.collection('support.files.files');
  const { _id } = (await environment.models.SupportConversation.findById(conversationId).lean()) ?? {};
  expect(await files.countDocuments({ 'metadata.conversationId': _id })).toBe(1);
  expect((await b.next('new_message'))[0].file.fileId).toBe(dataOf(again).fileId);
  expect(await environment.models.SupportUpload.countDocuments({ conversationId })).toBe(0);
});

test('an upload with the clientMessageId of a text is refused, before and while that is sent, and leaves no file', async () => {
  const { a, conversationId } = await talk(environment);
  const upload = (clientMessageId: string) =>
    a.ask('file_upload', PNG, { conversationId, fileName: 'x.png', clientMessageId });
  const send = (clientMessageId: string) => a.ask('send_message', { conversationId, content: 'text', clientMessageId });
  dataOf(await send('t-1'));
  expect(await upload('t-1')).toMatchObject({ success: false, code: 'CONFLICT' });
  for (let round = 0; round < 5; round += 1) {
    const [file, text] = await Promise.all([upload(`r-${round}`), send(`r-${round}`)]);
    const { data, code } = file;
    expect([dataOf(text).file?.fileId, code]).toEqual(
      data === undefined ? [undefined, 'CONFLICT'] : [data.fileId, undefined],
    );
  }
  const files = environment.models.User.db.collection('support.files.files');
  const { _id } = (await environment.models.SupportConversation.findById(conversationId).lean()) ?? {};
  const sent = await environment.models.SupportMessage.countDocuments({ conversationId, file: { $ne: null } });
  expect(await files.countDocuments({ 'metadata.conversationId': _id })).toBe(sent);
});

test('deleting a message deletes its file', async () => {
  const { ann, a, b, conversationId } = await talk(environment);
  const file = dataOf(await a.ask('file_upload', PNG, { conversationId, fileName: 'x.png' }));
  const [{ _id: messageId }] = await b.next('new_message');
  expect(await a.ask('delete_message', { conversationId, messageId })).toEqual({ success: true });
  expect((await read(ann, file.fileUrl)).response.status).toBe(404);
});

test('a visitor sends and reads files in their own conversation', async () => {
  const [ann] = await environment.people('Ann');
  const own = await addConversation(environment, [ann], { visitorId: 'v-9' });
  const claims = visitorClaims('v-9', own);
  const v = await openChat(environment, ann, { claims });
  const file = dataOf(await v.ask('file_upload', PNG, { conversationId: own, fileName: 'x.png' }));
  expect((await read(claims, file.fileUrl)).content).toEqual(PNG);
  expect((await read(ann, file.fileUrl)).content).toEqual(PNG);
  expect((await read(visitorClaims('v-9'), file.fileUrl)).response.status).toBe(404);
});

test('the remains of an upload are deleted after its node died, and no other file', async () => {
  const chunks = environment.models.User.db.collection('support.files.chunks');
  const begin = async (agoMs: number) => {
    const beganAt = new Date(clock.now() - agoMs);
    const owner = { kind: 'user', id: 'ann' };
    const expiresAt = new Date(beganAt.getTime() + 3_600_000);
    const upload = new environment.models.SupportUpload({ owner, bytes: PNG.length, beganAt, expiresAt });
    await upload.save();
    await chunks.insertOne({ files_id: upload._id, n: 0, data: PNG });
    return upload._id;
  };
  const [old, recent] = [await begin(3_600_000), await begin(0)];
  clock.advance(600_000);
  await until(async () => (await environment.models.SupportUpload.countDocuments({ _id: old })) === 0);
  expect(await chunks.countDocuments({ files_id: old })).toBe(0);
  expect(await chunks.countDocuments({ files_id: recent })).toBe(1);
});
