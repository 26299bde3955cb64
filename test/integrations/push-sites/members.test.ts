import { expect, onTestFinished, test } from 'vitest';
import { createMembers } from '../../../src/integrations/push-sites/members.js';
import { createTestEnvironment } from '../../support/environment.js';
import { fieldsOf, oddFieldsOf } from '../../support/odd-values.js';

test('an odd member keeps no other member of the room from being found', async () => {
  const environment = await createTestEnvironment({ nodes: 0 });
  onTestFinished(() => environment.close());
  const { SiteMember } = environment.models;
  const members = createMembers(SiteMember);
  await members.remember({ site: 'news', userId: 'good' }, ['hall']);
  for (const [n, { update }] of oddFieldsOf(fieldsOf(SiteMember)).entries()) {
    await SiteMember.collection.insertOne({ _id: `${n}`, site: 'news', userId: 'odd', rooms: ['hall'] } as never);
    await SiteMember.collection.updateOne({ _id: `${n}` as never }, update);
  }
  const found = await members.in('news', ['hall']);
  expect(found).toContain('good');
  expect(found.filter((userId) => typeof userId !== 'string')).toEqual([]);
});
