import { Types } from 'mongoose';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createContacts } from '../../../../src/integrations/chat/support/contacts.js';
import { createBlocks } from '../../../../src/integrations/users/blocks.js';
import { createTestEnvironment } from '../../../support/environment.js';

test('the conversations of users who connect together are one query, also those that they are assigned to', async () => {
  const environment = await createTestEnvironment();
  onTestFinished(() => environment.close());
  const { models } = environment;
  const [a = '', b = '', c = '', unknown = ''] = Array.from({ length: 4 }, () => new Types.ObjectId().toHexString());
  await models.User.insertMany([a, b, c].map((id) => ({ _id: id, name: id })));
  const add = (participants: string[], fields: object) =>
    models.SupportConversation.create({ participants, ...fields });
  await add([a], { assignedTo: b });
  await add([a, c], { status: 'closed' });
  await add([c], { assignedTo: c });

  const contactsOf = createContacts({
    models,
    blocks: createBlocks(models),
    access: {
      openTo: async (_user, candidates) => candidates.map((candidate) => ({ candidate, outsiders: new Set() })),
    },
    memberships: async () => new Map(),
  });
  const find = vi.spyOn(models.SupportConversation.collection, 'find');
  const found = await contactsOf([a, b, c, unknown]);
  expect(Object.fromEntries(found)).toEqual({
    [a]: { userIds: [b], rooms: [] },
    [b]: { userIds: [a], rooms: [] },
    [c]: { userIds: [], rooms: [] },
  });
  expect(find).toHaveBeenCalledTimes(1);
});
