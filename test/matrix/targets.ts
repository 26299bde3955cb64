import { Types } from 'mongoose';
import { dataOf } from '../support/environment.js';
import { type ChatIds, groups, type Ids, type Kind } from './kinds.js';
import type { Operation } from './operations.js';
import type { Actor } from './people.js';
import { type Scene, site } from './scene.js';

/** Stands in everything that the owner says, and in no name. */
export const SECRET_TEXT = 'of the owner alone';

/** Who says something, by kind. */
type Speakers = ReadonlyMap<Kind, Actor>;

/** A conversation with a message of the owner and of each speaker. */
interface Talk {
  readonly id: string;
  readonly messageId: string;
  readonly ownMessageIds: ReadonlyMap<Kind, string>;
}

interface Target {
  readonly support: Talk & { readonly fileId: string };
  readonly chat: Talk;
  readonly team: Talk;
  readonly prospect: Talk;
  readonly notificationId: string;
  readonly contactId: string;
}

/** Makes what can be asked for. */
export function createTargets(scene: Scene) {
  const { environment, people, departmentId } = scene;
  const { models } = environment;
  const { owner, actors } = people;
  const clientOf = (kind: Kind | undefined, namespace: string) =>
    kind === undefined ? ownerClient(namespace) : scene.clientOf(kind, namespace);
  const ownerClients = new Map<string, ReturnType<Scene['open']>>();
  const ownerClient = (namespace: string) => {
    const client = ownerClients.get(namespace) ?? scene.open(owner, namespace, 0);
    ownerClients.set(namespace, client);
    return client;
  };

  /** Everyone says something, the owner first. */
  const speak = async (
    speakers: Speakers,
    say: (kind: Kind | undefined) => Promise<string>,
  ): Promise<Omit<Talk, 'id'>> => {
    const messageId = await say(undefined);
    const own = new Map<Kind, string>();
    for (const kind of speakers.keys()) own.set(kind, await say(kind));
    return { messageId, ownMessageIds: own };
  };

  const makeSupport = async (speakers: Speakers, needsFile: boolean): Promise<Target['support']> => {
    const o = await ownerClient('/');
    const participants = [...speakers.values()].map(({ id }) => id);
    const id: string = dataOf(await o.ask('create_conversation', { participants }))._id;
    const talk = await speak(speakers, async (kind) => {
      const client = await clientOf(kind, '/');
      return dataOf(await client.ask('send_message', { conversationId: id, content: SECRET_TEXT }))._id;
    });
    // Few files may be sent in a minute.
    const upload = () => o.ask('file_upload', Buffer.from(SECRET_TEXT), { conversationId: id, fileName: 'a.txt' });
    return { id, ...talk, fileId: needsFile ? dataOf(await upload()).fileId : '' };
  };

  const makeChat = async (speakers: Speakers): Promise<Talk> => {
    const participants = [owner, ...speakers.values()].map(({ id }) => id);
    const type = participants.length === 2 ? 'direct' : 'group';
    const id = String((await models.Chat.create({ participants, type }))._id);
    const talk = await speak(speakers, async (kind) => {
      const client = await clientOf(kind, '/');
      return dataOf(await client.ask('chat:send_message', { chatId: id, content: SECRET_TEXT }))._id;
    });
    return { id, ...talk };
  };

  const makeTeam = async (speakers: Speakers): Promise<Talk> => {
    const users = [...speakers.values()].map(({ id }) => id);
    const o = await ownerClient(TEAM);
    const made = await o.ask('add_conversation', { users, channel_id: 'general', title: SECRET_TEXT });
    const id: string = dataOf(made).conversation._id;
    const talk = await speak(speakers, async (kind) => {
      const client = await clientOf(kind, TEAM);
      return dataOf(await client.ask('message', { conversation_id: id, data: SECRET_TEXT })).message._id;
    });
    return { id, ...talk };
  };

  const makeProspect = async (speakers: Speakers): Promise<Talk & { contactId: string }> => {
    const contact = await models.Contact.create({ account: new Types.ObjectId(owner.accountId), name: 'Contact' });
    const users = [...speakers.values()].map(({ id }) => id);
    const o = await ownerClient(TEAM);
    const draft = { contact_id: String(contact._id), users, channel_id: 'prospect-channel', title: SECRET_TEXT };
    dataOf({ data: null, ...(await o.ask('prospect_add_conversation', draft)) });
    const made = await models.ConversationProspect.findOne({ contact_id: contact._id }).lean();
    const id = String(made?._id);
    const talk = await speak(speakers, async (kind) => {
      const client = await clientOf(kind, TEAM);
      return dataOf(await client.ask('prospect_add_note', { conversation_id: id, data: SECRET_TEXT })).message._id;
    });
    return { id, ...talk, contactId: String(contact._id) };
  };

  const makeNotification = async (recipient: Actor): Promise<string> => {
    const draft = { recipient: new Types.ObjectId(recipient.id), title: SECRET_TEXT, message: SECRET_TEXT };
    return String((await models.Notification.create(draft))._id);
  };

  const makeChats = async (speakers: Speakers, { recipient, needsFile }: { recipient: Actor; needsFile: boolean }) => ({
    support: await makeSupport(speakers, needsFile),
    chat: await makeChat(speakers),
    notificationId: await makeNotification(recipient),
  });
  const makeTeams = async (speakers: Speakers) => {
    const { contactId, ...prospect } = await makeProspect(speakers);
    return { team: await makeTeam(speakers), prospect, contactId };
  };
  const makeTarget = async (speakers: Speakers): Promise<Target> => ({
    ...(await makeChats(speakers, { recipient: owner, needsFile: true })),
    ...(await makeTeams(speakers)),
  });

  const toIds = (kind: Kind, target: Partial<Target>, emitId: string): Omit<Ids, keyof Target> & Partial<Ids> => {
    const ofCaller = ({ id, messageId, ownMessageIds }: Talk): ChatIds => ({
      id,
      messageId,
      ownMessageId: ownMessageIds.get(kind) ?? messageId,
    });
    const { support, chat, team, prospect, contactId, notificationId } = target;
    return {
      self: actors[kind].id,
      owner: owner.id,
      agent: actors.member.id,
      accountId: owner.accountId,
      departmentId,
      emitId,
      site: site.name,
      scraperId: 'a-scraper-of-the-owner',
      renewal: owner.token ?? '',
      ...(support === undefined ? {} : { support: { ...ofCaller(support), fileId: support.fileId } }),
      ...(chat === undefined ? {} : { chat: ofCaller(chat) }),
      ...(team === undefined ? {} : { team: ofCaller(team) }),
      ...(prospect === undefined ? {} : { prospect: ofCaller(prospect) }),
      ...(contactId === undefined ? {} : { contactId }),
      ...(notificationId === undefined ? {} : { notificationId }),
    };
  };

  const common = async (kinds: readonly Kind[]): Promise<Target> => {
    const inside = (['member', 'removed', 'locked', 'deactivated'] as const).filter((kind) => kinds.includes(kind));
    const target = await makeTarget(new Map(inside.map((kind) => [kind, actors[kind]])));
    const removed = new Types.ObjectId(actors.removed.id);
    // As another service removes a user: the conversation no longer names them, and no event is sent.
    await models.SupportConversation.updateOne({ _id: target.support.id }, { $pull: { participants: removed } });
    await models.Chat.updateOne({ _id: target.chat.id }, { $pull: { participants: removed } });
    await models.Conversation.updateOne({ _id: target.team.id }, { $pull: { users: removed } });
    await models.ConversationProspect.updateOne({ _id: target.prospect.id }, { $pull: { users: removed } });
    return target;
  };
  const ofPeer = async (kind: (typeof groups.peers)[number]): Promise<Target> => {
    const target = await makeTarget(new Map([[kind, actors[kind]]]));
    const [blocker, blocked] = kind === 'blockedByPeer' ? [owner, actors[kind]] : [actors[kind], owner];
    await models.User.updateOne({ _id: blocker.id }, { blockedUsers: [blocked.id] }, { timestamps: false });
    return target;
  };
  /** Later they neither come online nor go offline. */
  const enter = (kinds: readonly Kind[]) =>
    Promise.all(groups.colleagues.filter((kind) => kinds.includes(kind)).map((kind) => scene.clientOf(kind, '/')));

  return {
    /** What callers are asked about who get nothing of it: made once, because it must not change. */
    async makeLasting(kinds: readonly Kind[]): Promise<(kind: Kind) => Ids> {
      await enter(kinds);
      const emitted = await environment.node(0).call('POST', `/emit/${owner.id}/news?durable=true`, {});
      const emitId: string = dataOf(emitted.json).id;
      const everyone = await common(kinds);
      const pairs = new Map<Kind, Target>();
      for (const kind of groups.peers) if (kinds.includes(kind)) pairs.set(kind, await ofPeer(kind));
      return (kind) => toIds(kind, pairs.get(kind) ?? everyone, emitId) as Ids;
    },
    /** The same for a caller who may do what is asked, and changes it: made anew for each call. */
    async makeFresh(kind: Kind, operation: Operation, lasting: Ids): Promise<Ids> {
      const contract = operation.kind === 'connect' ? '' : operation.contract.name;
      const needsFile = operation.kind === 'route' && operation.route.sendsFile === true;
      const speakers = new Map([[kind, actors[kind]]]);
      const isOfChats = /^(support|community)/.test(contract);
      const isOfTeams = /^(conversation|prospect)/.test(contract);
      const made = {
        ...(isOfChats ? await makeChats(speakers, { recipient: actors[kind], needsFile }) : {}),
        ...(isOfTeams ? await makeTeams(speakers) : {}),
      };
      return { ...lasting, ...toIds(kind, made, lasting.emitId), renewal: actors[kind].token ?? '' };
    },
    async close(): Promise<void> {
      for (const client of await Promise.all(ownerClients.values())) client.close();
    },
  };
}

const TEAM = '/v1/conversation';
