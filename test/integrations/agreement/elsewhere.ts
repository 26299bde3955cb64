import { Types } from 'mongoose';
import type { Act, Play } from './play.js';

/*
 * What another service stores in the collections of the gateway. It tells everyone concerned by its own means, and their clients load
 * again.
 */

type Part = 'team' | 'support' | 'community';

const byEachForm = (id: string): object => ({ $in: [id, new Types.ObjectId(id)] });

async function loadAgain({ devices }: Play, part: Part, concerned: ReadonlySet<string>): Promise<void> {
  // What is being loaded may have been read before.
  await Promise.all(devices.map((device) => device.arrive()));
  const connections = devices.flatMap(({ connection }) => connection ?? []);
  await Promise.all(connections.filter(({ user }) => concerned.has(user.id)).map(({ shown }) => shown[part].load()));
}

/** The collection of a part, and its field with those who take part. */
const storeOf = ({ environment: { models } }: Play, part: Part) => {
  if (part === 'team') return { collection: models.Conversation.collection, field: 'users' };
  const { collection } = part === 'support' ? models.SupportConversation : models.Chat;
  return { collection, field: 'participants' };
};

/** Changes a conversation. @param update absent: it is deleted */
const change =
  (part: Part, toUpdate?: (play: Play, field: string) => object): Act =>
  async (_by, play) => {
    // All people stay in the first one: they know of each other who is online.
    const id = play.random.pick(play.scene[part].slice(1));
    const { collection, field } = storeOf(play, part);
    const own = { _id: new Types.ObjectId(id) };
    const before = await collection.findOne(own);
    if (toUpdate === undefined) await collection.deleteOne(own);
    else await collection.updateOne(own, toUpdate(play, field) as never);
    const after = await collection.findOne(own);
    const concerned = [before, after].flatMap((one) => [...((one?.[field] ?? []) as unknown[]), one?.['assignedTo']]);
    await loadAgain(play, part, new Set(concerned.map(String)));
  };

const pickPerson = ({ random, scene }: Play): string => random.pick(scene.people).id;

const removed = (play: Play, field: string): object => ({ $pull: { [field]: byEachForm(pickPerson(play)) } });
const added = (play: Play, field: string): object => ({ $addToSet: { [field]: new Types.ObjectId(pickPerson(play)) } });

/** Acts of another service, by how often they are done. */
export const elsewhere: readonly (readonly [weight: number, act: Act])[] = [
  [0.3, change('team', removed)],
  [0.3, change('support', removed)],
  [0.3, change('community', removed)],
  [0.2, change('support', added)],
  [0.3, change('community', added)],
  [0.1, change('team')],
  [0.1, change('support')],
  [0.1, change('community')],
];
