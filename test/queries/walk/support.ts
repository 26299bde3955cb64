import type { Types } from 'mongoose';
import { support } from '#shared/contracts/support.js';
import { until } from '../../support/until.js';
import type { WalkEnvironment } from './environment.js';

/** Between two passes over abandoned files. */
const SWEEP_MS = 600_000;

/** The support chat: conversations, messages, files, departments, visitors. */
export async function walkSupport(environment: WalkEnvironment): Promise<void> {
  const { ask, call, models, clock } = environment;
  const [ann, bob, agent] = [
    await environment.user(),
    await environment.user(),
    await environment.user({ role: 'agent' }),
  ];
  const other = await environment.user({ role: 'agent' });
  const { _id: departmentId } = await models.Department.create({ name: 'Sales', members: [agent, other] });
  const [a, g] = [await environment.open(ann), await environment.open(agent)];
  await environment.open(agent, { namespace: '/department', query: { departmentId: String(departmentId) } });
  const fields = { participants: [bob], departmentId, subject: 'Help' };
  const { _id: conversationId } = await ask(support, a, 'create_conversation', fields);
  await call(support, 'createConversation', { body: { participants: [bob] }, as: ann });
  const here = { conversationId };
  await ask(support, a, 'join_conversation', here);
  await ask(support, a, 'typing_start', here);
  await ask(support, a, 'typing_stop', here);
  const draft = { ...here, content: 'hi', clientMessageId: 'one' };
  const first = await ask(support, a, 'send_message', draft);
  await ask(support, a, 'send_message', draft);
  clock.advance(1);
  const params = { id: conversationId };
  const second = await call(support, 'sendMessage', { params, body: { content: 'by REST' }, as: ann });
  await ask(support, g, 'mark_as_read', { ...here, messageId: first._id });
  await ask(support, g, 'mark_as_read', { ...here, messageId: second._id });
  await ask(support, a, 'edit_message', { ...here, messageId: first._id, content: 'changed' });
  await ask(support, a, 'delete_message', { ...here, messageId: second._id });
  const time = new Date(clock.now()).toISOString();
  for (const range of [{}, { before: second._id }, { after: first._id }, { before: time }, { after: time }]) {
    await ask(support, a, 'get_messages', { ...here, ...range });
  }
  await call(support, 'listMessages', { params, as: ann });
  for (const range of [{}, { status: 'open' }, { departmentId }, { before: conversationId }, { before: time }]) {
    for (const client of [a, g]) {
      if (client === g || !('departmentId' in range)) await ask(support, client, 'get_conversations', range);
    }
  }
  await call(support, 'listConversations', { as: ann });
  await call(support, 'listDepartments', { as: ann });
  await ask(support, g, 'claim_conversation', here);
  await call(support, 'assignConversation', { params, body: { agentId: agent }, as: agent });
  await ask(support, g, 'assign_conversation', { ...here, agentId: other });
  await walkFiles(environment, { ann, conversationId });
  await ask(support, a, 'leave_conversation', here);
  await ask(support, g, 'close_conversation', here);
  await call(support, 'closeConversation', { params, as: agent });
  await walkVisitor(environment);
  await walkAbandonedFiles(environment);
}

async function walkFiles(
  environment: WalkEnvironment,
  { ann, conversationId }: { ann: Types.ObjectId; conversationId: string },
): Promise<void> {
  const { ask, call, models, clock } = environment;
  const a = await environment.open(ann);
  const content = Buffer.from('some text');
  const meta = { conversationId, fileName: 'a.txt', clientMessageId: 'file' };
  const file = await ask(support, a, 'file_upload', content, meta);
  await ask(support, a, 'file_upload', content, meta);
  await ask(support, a, 'file_upload', content);
  await call(support, 'readFile', { params: { id: file.fileId }, as: ann });
  // One that was said, by a node that died before it could note that.
  const owner = { kind: 'user' as const, id: String(ann) };
  const dates = { beganAt: new Date(clock.now()), expiresAt: new Date(clock.now()) };
  await models.SupportUpload.create({ _id: file.fileId, owner, conversationId, bytes: 0, ...dates });
}

/** A pass over abandoned files: it takes those away that were sent to no conversation. */
async function walkAbandonedFiles({ models, clock }: WalkEnvironment): Promise<void> {
  await models.SupportUpload.updateMany({}, { $set: { expiresAt: new Date(clock.now()) } });
  clock.advance(SWEEP_MS);
  await until(async () => (await models.SupportUpload.countDocuments({})) === 0);
}

async function walkVisitor(environment: WalkEnvironment): Promise<void> {
  const { ask, models } = environment;
  const visitor = { visitorId: 'guest', participants: [], subject: 'Hello' };
  const { _id } = await models.SupportConversation.create(visitor);
  const claims = { uid: undefined, type: 'visitor', visitor_id: 'guest', conversation_ids: [String(_id)] };
  const v = await environment.open('guest', { claims });
  await ask(support, v, 'send_message', { conversationId: String(_id), content: 'hi' });
  await ask(support, v, 'get_messages', { conversationId: String(_id) });
}
