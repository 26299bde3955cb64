import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import type { Document } from '../../../support/mongo-proxy.js';
import { fieldsOf, oddFieldsOf } from '../../../support/odd-values.js';
import { until } from '../../../support/until.js';
import { addConversation, openChat, talk } from './chat.js';

const clock = createTestClock();
const MEGABYTE = 1_000_000;
const FILE_QUOTA = 3 * MEGABYTE;
const HOUR_MS = 3_600_000;
const SWEEP_MS = 600_000;
let environment: TestEnvironment;

beforeAll(async () => {
  const env = { FILE_QUOTA: String(FILE_QUOTA), UNSENT_FILE_TTL: String((2 * SWEEP_MS) / 1000) };
  environment = await createTestEnvironment({
    nodes: 2,
    overrides: { clock },
    env,
    proxyOptions: 'directConnection=true',
  });
});
afterAll(() => environment.close());

/** MaxTimeMSExpired: the driver does not repeat the command, of which nothing is known. */
const TOO_SLOW = { ok: 0, code: 50, errmsg: 'operation exceeded time limit' };
const deletes = (command: Document): boolean => command['findAndModify'] === 'support.messages';

const files = () => environment.models.User.db.collection('support.files.files');
const chunks = () => environment.models.User.db.collection('support.files.chunks');
const usageOf = async ({ id }: TestUser) =>
  (await environment.models.SupportUsage.findById(`user:${id}`).lean())?.bytes;

async function statusOf(user: TestUser, path: string): Promise<number> {
  const response = await fetch(`${environment.nodes[1]?.url}${path}`, {
    headers: { authorization: `Bearer ${signToken({ uid: user.id })}` },
  });
  await response.arrayBuffer();
  return response.status;
}

/** Both nodes look for files to take away, at the same moment; holds when the notes of these files are gone. */
async function sweep(...ids: string[]): Promise<void> {
  clock.advance(SWEEP_MS);
  await until(async () => (await environment.models.SupportUpload.countDocuments({ _id: { $in: ids } })) === 0);
}

test('a file sent to no conversation is deleted after its time, and no longer counts against the quota', async () => {
  const [ann] = await environment.people('Ann');
  const conversationId = await addConversation(environment, [ann]);
  const a = await openChat(environment, ann);
  const unsent = await Promise.all(Array.from({ length: 5 }, () => a.ask('file_upload', Buffer.alloc(10_000))));
  const sent = dataOf(await a.ask('file_upload', Buffer.alloc(20_000), { conversationId, fileName: 'x' }));
  expect(await usageOf(ann)).toBe(70_000);
  clock.advance(SWEEP_MS);
  const late = dataOf(await a.ask('file_upload', Buffer.alloc(5000)));
  for (const answer of unsent) expect(await statusOf(ann, dataOf(answer).fileUrl)).toBe(200);
  await sweep(...unsent.map((answer) => dataOf(answer).fileId));
  for (const answer of unsent) expect(await statusOf(ann, dataOf(answer).fileUrl)).toBe(404);
  expect(await chunks().countDocuments({ files_id: { $in: unsent.map((answer) => idOf(dataOf(answer))) } })).toBe(0);
  expect(await statusOf(ann, sent.fileUrl)).toBe(200);
  expect(await statusOf(ann, late.fileUrl)).toBe(200);
  expect(await usageOf(ann)).toBe(25_000);
});

test("one person's files have a quota, over all nodes", async () => {
  const { ann, bob, a, b, conversationId } = await talk(environment);
  const other = await openChat(environment, ann, { node: 1 });
  const meta = (name: string) => ({ conversationId, fileName: name, clientMessageId: name });
  const answers = await Promise.all(
    ['1', '2', '3', '4', '5'].map((name, n) =>
      (n % 2 === 0 ? a : other).ask('file_upload', Buffer.alloc(MEGABYTE), meta(name)),
    ),
  );
  const refused = answers.filter(({ success }) => !success);
  const error = 'There is no room for more files';
  const refusal = { success: false, error, code: 'QUOTA_EXCEEDED', quotaBytes: FILE_QUOTA };
  expect(refused).toEqual([refusal, refusal]);
  expect(await usageOf(ann)).toBe(FILE_QUOTA);
  expect(await files().countDocuments({ 'metadata.owner.id': ann.id })).toBe(3);
  expect(await environment.models.SupportUpload.countDocuments({ 'owner.id': ann.id })).toBe(0);
  expect(dataOf(await b.ask('file_upload', Buffer.alloc(10), meta('b'))).fileSize).toBe(10);
  expect(await usageOf(bob)).toBe(10);

  // What was stored already is answered, with room or without.
  const stored = answers.findIndex(({ success }) => success);
  const again = await other.ask('file_upload', Buffer.alloc(MEGABYTE), meta(String(stored + 1)));
  expect(dataOf(again)).toEqual(dataOf(answers[stored]));

  const message = await environment.models.SupportMessage.findOne({ 'file.fileId': dataOf(again).fileId }).lean();
  expect(await a.ask('delete_message', { conversationId, messageId: String(message?._id) })).toEqual({ success: true });
  expect(await usageOf(ann)).toBe(2 * MEGABYTE);
  expect((await a.ask('file_upload', Buffer.alloc(MEGABYTE), meta('6'))).success).toBe(true);
});

test('a file of a dead node is deleted unless its message was stored', async () => {
  const { ann, a, conversationId } = await talk(environment);
  const upload = (fileName: string) => a.ask('file_upload', Buffer.alloc(1000), { conversationId, fileName });
  const [said, unsaid] = [dataOf(await upload('said')), dataOf(await upload('unsaid'))];
  // As they are found when the node has died before it could note that they were said, and before it said the second.
  await environment.models.SupportMessage.deleteOne({ 'file.fileId': unsaid.fileId });
  const owner = { kind: 'user' as const, id: ann.id };
  const beganAt = new Date(clock.now() - HOUR_MS);
  const expiresAt = new Date(clock.now());
  const notes = [said, unsaid].map((file) => ({
    _id: idOf(file),
    owner,
    conversationId: new Types.ObjectId(conversationId),
    bytes: 1000,
    beganAt,
    expiresAt,
  }));
  await environment.models.SupportUpload.insertMany(notes);
  await sweep(said.fileId, unsaid.fileId);
  expect(await files().countDocuments({ 'metadata.owner.id': ann.id })).toBe(1);
  expect(await chunks().countDocuments({ files_id: idOf(unsaid) })).toBe(0);
  expect(await statusOf(ann, said.fileUrl)).toBe(200);
  expect(await usageOf(ann)).toBe(1000);
});

test('the file of a deleted message goes with it, also when the node does not come to deleting it', async () => {
  const { ann, a, b, conversationId } = await talk(environment);
  const upload = (fileName: string) => a.ask('file_upload', Buffer.alloc(1000), { conversationId, fileName });
  const [gone, kept] = [dataOf(await upload('gone')), dataOf(await upload('kept'))];
  const remove = async (file: { fileId: string }) => {
    const message = await environment.models.SupportMessage.findOne({ 'file.fileId': file.fileId }).lean();
    return a.ask('delete_message', { conversationId, messageId: String(message?._id) });
  };
  // The command is run, or not, and the node hears nothing of it.
  environment.proxy().rules = { onReply: (reply, command) => (deletes(command) ? TOO_SLOW : reply) };
  expect(await remove(gone)).toMatchObject({ success: false });
  environment.proxy().rules = { onCommand: (command) => (deletes(command) ? TOO_SLOW : undefined) };
  expect(await remove(kept)).toMatchObject({ success: false });
  environment.proxy().rules = {};
  await clock.advanceUntil(500, async () => (await chunks().countDocuments({ files_id: idOf(gone) })) === 0);
  await b.next('message_deleted');
  await environment.models.SupportUpload.updateMany({}, { expiresAt: new Date(clock.now()) });
  await sweep(gone.fileId, kept.fileId);
  expect(await statusOf(ann, kept.fileUrl)).toBe(200);
  expect(await usageOf(ann)).toBe(1000);
});

const idOf = ({ fileId }: { fileId: string }) => new Types.ObjectId(fileId);

test('an odd note of a file, and an odd file, keep no other from being deleted, read or sent', async () => {
  const { ann, a, conversationId } = await talk(environment);
  const { SupportUpload, SupportUsage } = environment.models;
  const due = new Date(clock.now() - HOUR_MS);
  const owner = { kind: 'user', id: ann.id };
  const good = { owner, conversationId: new Types.ObjectId(conversationId), bytes: 1, beganAt: due, expiresAt: due };
  for (const [place, path] of fieldsOf(SupportUpload).entries()) {
    if (path[0] === 'expiresAt') continue;
    for (const { update } of oddFieldsOf([path], 1, place)) {
      const _id = new Types.ObjectId();
      await SupportUpload.collection.insertOne({ _id, ...good } as never);
      await SupportUpload.collection.updateOne({ _id }, update);
    }
  }
  await SupportUsage.collection.updateOne(
    { _id: `user:${ann.id}` as never },
    { $set: { bytes: 'odd' } },
    { upsert: true },
  );
  const send = (fileName: string) => a.ask('file_upload', Buffer.alloc(100), { conversationId, fileName });
  const unsent = dataOf(await a.ask('file_upload', Buffer.alloc(100)));
  const sent = dataOf(await send('good'));
  expect(await usageOf(ann)).toBe(200);
  const odd = dataOf(await send('odd'));
  for (const { update } of oddFieldsOf([
    ['metadata', undefined],
    ['metadata.owner', undefined],
    ['metadata.type', undefined],
    ['length', undefined],
  ])) {
    const before = await files().findOne({ _id: idOf(odd) });
    await files().updateOne({ _id: idOf(odd) }, update);
    expect([200, 404]).toContain(await statusOf(ann, odd.fileUrl));
    await files().replaceOne({ _id: idOf(odd) }, before as object);
  }
  const isKept = async (file: { fileId: string }) => (await files().countDocuments({ _id: idOf(file) })) === 1;
  await clock.advanceUntil(SWEEP_MS, async () => !(await isKept(unsent)));
  expect(await isKept(sent)).toBe(true);
});
