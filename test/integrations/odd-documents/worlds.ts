import { Types } from 'mongoose';
import type { ChatIds, Ids } from '../../matrix/kinds.js';
import type { TestEnvironment, TestUser } from '../../support/environment.js';

/** Of each kind a conversation with odd documents, and one without. */
type Talk = ChatIds & { readonly goodMessageId: string };

/** What one variant is about: people of an account of their own, and what they share. */
export interface World {
  readonly people: readonly [ann: TestUser, bob: TestUser, eve: TestUser];
  /** The ids of calls about what can be odd, and about what is good. */
  readonly odd: Ids;
  readonly good: Ids;
  /** Names of ids, so that the answers of two worlds can be compared. */
  readonly names: ReadonlyMap<string, string>;
  /** The filters of the documents that are made odd, by model. */
  readonly targets: Readonly<Record<string, object>>;
}

type Name = keyof TestEnvironment['models'];

/** The times are recent, so that messages can be edited, and differ, so that lists have one order. */
const at = (base: number, number: number): Date => new Date(base + number * 1000);

/** Stores a world as other services do: past Mongoose. */
export async function createWorld(environment: TestEnvironment): Promise<World> {
  const base = Date.now() - 120_000;
  const names = new Map<string, string>();
  const id = (name: string): Types.ObjectId => {
    const made = new Types.ObjectId();
    names.set(made.toHexString(), name);
    return made;
  };
  const account = new Types.ObjectId();
  const [ann, bob, eve] = [id('ann'), id('bob'), id('eve')];
  const documents = new Map<Name, object[]>();
  const store = (model: Name, document: object): void => {
    documents.set(model, [...(documents.get(model) ?? []), document]);
  };
  const targets: Record<string, object> = {};
  const people = [
    [ann, 'Ann'],
    [bob, 'Bob'],
    [eve, 'Eve'],
  ] as const;
  for (const [_id, name] of people) {
    store('User', {
      _id,
      account,
      name,
      firstName: name,
      lastName: 'Doe',
      email: `${name.toLowerCase()}@example.com`,
      image: 'https://example.com/i.png',
      role: 'agent',
      conversation_active_status: 'active',
      joinedGroups: [{ groupType: 'single', joinedAt: at(base, 0), isAdmin: false }],
      blockedUsers: [],
      presenceStatus: 'online',
      lastSeen: at(base, 0),
      createdAt: at(base, 0),
      updatedAt: at(base, 0),
    });
  }
  const department = id('department');
  const departments = { odd: id('odd department'), good: department };
  for (const [kind, _id] of Object.entries(departments)) {
    store('Department', { _id, name: kind, members: [ann, bob, eve], createdAt: at(base, 0), updatedAt: at(base, 0) });
  }
  targets['Department'] = { _id: departments.odd };

  /** The messages of a conversation: of Bob, of Ann, and one that stays good. */
  const messages = (kind: string, name: string) =>
    ({
      messageId: id(`${kind} ${name} of bob`),
      ownMessageId: id(`${kind} ${name} of ann`),
      goodMessageId: id(`${kind} ${name} good`),
    }) as const;
  const toTalk = (_id: Types.ObjectId, said: ReturnType<typeof messages>): Talk => ({
    id: String(_id),
    messageId: String(said.messageId),
    ownMessageId: String(said.ownMessageId),
    goodMessageId: String(said.goodMessageId),
  });
  const each = (
    said: ReturnType<typeof messages>,
    make: (_id: Types.ObjectId, by: Types.ObjectId, place: number) => void,
  ): void => {
    make(said.messageId, bob, 1);
    make(said.ownMessageId, ann, 2);
    make(said.goodMessageId, bob, 3);
  };

  const teamOf = (kind: 'odd' | 'good', name: 'team' | 'prospect'): { talk: Talk; contactId: string } => {
    const _id = id(`${kind} ${name}`);
    const contact = id(`${kind} contact of ${name}`);
    store('Contact', { _id: contact, account, name: 'Carla', email: 'c@example.com', phone: '1', image: 'i' });
    const said = messages(kind, name);
    const place = kind === 'odd' ? 4 : 5;
    store(name === 'team' ? 'Conversation' : 'ConversationProspect', {
      _id,
      account,
      users: [ann, bob, eve],
      title: 'Talk',
      image: ['i.png'],
      channel_id: 'x',
      created_by: bob,
      is_open: true,
      last_activity: said.goodMessageId,
      last_activity_at: at(base, place),
      createdAt: at(base, 0),
      updatedAt: at(base, 0),
      ...(name === 'prospect' && { contact_id: contact }),
    });
    for (const user of [ann, bob, eve]) {
      store('Member', {
        _id: new Types.ObjectId(),
        conversation: _id,
        kind: name,
        user,
        account,
        channel_id: 'x',
        unread_count: 3,
        show_on_top: false,
        snoozed_until: null,
        archived: false,
        mentioned: false,
        is_open: true,
        last_read: null,
        last_read_at: null,
        last_activity_at: at(base, place),
        search_key: 'talk',
      });
    }
    each(said, (message, by, n) => {
      const shared = { _id: message, UUID: String(message), data: `said ${n}`, sent_by: by, createdAt: at(base, n) };
      if (name === 'team') {
        store('Message', {
          ...shared,
          conversation_id: _id,
          type: 'text',
          mentions: [ann],
          attachments: ['https://example.com/a.pdf'],
        });
      } else store('Communication', { ...shared, account, conversation_id: [_id], type: 'NOTE' });
    });
    const own = name === 'team' ? 'Conversation' : 'ConversationProspect';
    const toSay = name === 'team' ? 'Message' : 'Communication';
    if (kind === 'odd') {
      targets[own] = { _id };
      targets['Contact'] = { _id: contact };
      targets[`Member of ${name}`] = { conversation: _id, user: ann };
      targets[toSay] = { _id: { $in: [said.messageId, said.ownMessageId] } };
    }
    return { talk: toTalk(_id, said), contactId: String(contact) };
  };
  for (const channel_id of ['you', 'x', 'mentions', 'prospect']) {
    for (const user of [ann, bob, eve]) {
      const sizes = { open: 2, unread: 2, closed: 0, priority: 0, snoozed: 0 };
      const tally = { ...sizes, listed: 2, archived: 0 };
      store('Counter', {
        _id: new Types.ObjectId(),
        user,
        channel_id,
        ...sizes,
        team: tally,
        prospect: tally,
        version: 1,
        recounted_at: channel_id === 'you' ? new Date() : null,
      });
    }
  }
  targets['Counter'] = { user: ann, channel_id: { $in: ['you', 'x'] } };

  const supportOf = (kind: 'odd' | 'good'): Talk => {
    const _id = id(`${kind} support`);
    const said = messages(kind, 'support');
    store('SupportConversation', {
      _id,
      participants: [ann, bob],
      assignedTo: eve,
      assignedBy: bob,
      assignedFrom: null,
      departmentId: department,
      visitorId: null,
      subject: 'Help',
      status: 'open',
      priority: 'normal',
      lastMessage: said.goodMessageId,
      storedPosition: 3,
      lastPosition: 3,
      lastMessageAt: at(base, 3),
      createdBy: bob,
      createdAt: at(base, 0),
      updatedAt: at(base, kind === 'odd' ? 4 : 5),
    });
    each(said, (message, by, position) => {
      store('SupportMessage', {
        _id: message,
        conversationId: _id,
        senderId: String(by),
        senderType: 'user',
        senderName: by === ann ? 'Ann' : 'Bob',
        content: `said ${position}`,
        type: 'text',
        file: null,
        metadata: { a: 1 },
        clientMessageId: String(message),
        position,
        timestamp: at(base, position),
        editedAt: null,
        isDeleted: false,
      });
    });
    store('SupportRead', {
      _id: new Types.ObjectId(),
      conversationId: _id,
      readerId: String(ann),
      readerType: 'user',
      messageId: said.messageId,
      position: 1,
      messageAt: at(base, 1),
      readAt: at(base, 2),
    });
    if (kind === 'odd') {
      targets['SupportConversation'] = { _id };
      targets['SupportMessage'] = { _id: { $in: [said.messageId, said.ownMessageId] } };
      targets['SupportRead'] = { conversationId: _id };
    }
    return toTalk(_id, said);
  };

  const chatOf = (kind: 'odd' | 'good'): Talk & { notificationId: string } => {
    const _id = id(`${kind} chat`);
    const said = messages(kind, 'chat');
    store('Chat', {
      _id,
      participants: [ann, bob, eve],
      type: 'group',
      groupName: 'All',
      lastMessage: said.goodMessageId,
      storedPosition: 3,
      lastPosition: 3,
      lastMessageAt: at(base, 3),
      lastActivity: at(base, kind === 'odd' ? 4 : 5),
      pinnedMessages: [said.goodMessageId],
      lastPin: `${said.goodMessageId} ${bob}`,
      participantSettings: [
        {
          user: ann,
          isMuted: false,
          mutedUntil: null,
          lastReadMessage: said.messageId,
          readPosition: 1,
          readUpTo: at(base, 1),
        },
        { user: bob, isMuted: false, mutedUntil: null, lastReadMessage: null, readUpTo: null },
      ],
      createdAt: at(base, 0),
      updatedAt: at(base, 0),
    });
    each(said, (message, sender, position) => {
      store('ChatMessage', {
        _id: message,
        chat: _id,
        sender,
        content: `said ${position}`,
        messageType: 'text',
        clientMessageId: String(message),
        replyTo: said.goodMessageId,
        readBy: [{ user: eve, readAt: at(base, 9) }],
        reactions: [{ user: eve, emoji: '👍', createdAt: at(base, 9) }],
        isEdited: false,
        editedAt: null,
        isDeleted: false,
        deletedAt: null,
        lastReaction: `${eve} 👍`,
        position,
        createdAt: at(base, position),
      });
    });
    const notificationId = id(`${kind} notification`);
    for (const [notification, recipient] of [
      [notificationId, ann],
      [new Types.ObjectId(), bob],
    ] as const) {
      store('Notification', {
        _id: notification,
        recipient,
        sender: eve,
        type: 'message',
        title: 'Eve',
        message: 'said',
        relatedChat: _id,
        relatedMessage: said.goodMessageId,
        position: 3,
        isRead: false,
        readAt: null,
        createdAt: at(base, 3),
      });
    }
    if (kind === 'odd') {
      targets['Chat'] = { _id };
      targets['ChatMessage'] = { _id: { $in: [said.messageId, said.ownMessageId] } };
      targets['Notification'] = { _id: notificationId };
    }
    return { ...toTalk(_id, said), notificationId: String(notificationId) };
  };
  const pair = [String(ann), String(bob)].sort().join(':');
  const direct = id('direct chat');
  store('Chat', {
    _id: direct,
    participants: [ann, bob],
    type: 'direct',
    directKey: pair,
    lastMessage: null,
    lastActivity: at(base, 1),
    pinnedMessages: [],
    participantSettings: [],
  });
  store('ChatPair', { _id: pair, chat: direct });
  targets['ChatPair'] = { _id: pair };
  targets['User who calls'] = { _id: ann };
  targets['User'] = { _id: bob };

  const idsOf = (kind: 'odd' | 'good'): Ids => {
    const { notificationId, ...chat } = chatOf(kind);
    const prospect = teamOf(kind, 'prospect');
    return {
      self: String(ann),
      renewal: '',
      owner: String(bob),
      agent: String(eve),
      accountId: String(account),
      departmentId: String(departments[kind]),
      contactId: prospect.contactId,
      scraperId: 'a scraper',
      emitId: 'none',
      site: 'news',
      notificationId,
      support: { ...supportOf(kind), fileId: String(new Types.ObjectId()) },
      chat,
      team: teamOf(kind, 'team').talk,
      prospect: prospect.talk,
    };
  };
  const [odd, good] = [idsOf('odd'), idsOf('good')];
  for (const [model, own] of documents) await environment.models[model].collection.insertMany(own as never[]);
  const toUser = (_id: Types.ObjectId, name: string): TestUser => ({
    id: String(_id),
    accountId: String(account),
    name,
  });
  return { people: [toUser(ann, 'Ann'), toUser(bob, 'Bob'), toUser(eve, 'Eve')], odd, good, names, targets };
}
