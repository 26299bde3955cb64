import type { Model, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { ConversationKindName } from '#shared/models/member.js';

/** A stored message, as far as all kinds are alike. */
export interface StoredMessage {
  _id: Types.ObjectId;
  UUID?: string;
  /** The conversation, or for a communication all of them. */
  conversation_id: Types.ObjectId | Types.ObjectId[];
  sent_by?: Types.ObjectId;
  data: string;
  createdAt?: Date;
}

/** A message of which conversation, and in whose eyes. */
export interface MessageView {
  readonly conversationId: string;
  readonly viewerId: string;
}

/** What every message on the wire has. */
export interface WireMessage {
  readonly _id: string;
  readonly data: string;
  readonly sent_by: { readonly name: string };
  readonly createdAt: string;
}

/** The fields of a conversation that only its kind knows how to show. */
export interface Description {
  readonly title: string;
  readonly image: string[];
}

/** What of a conversation describes it; a kind may know more. */
export type Described = Pick<Conversation, '_id' | 'title' | 'image'>;

/**
 * What differs between the kinds of conversation. All the rest, access, lists, messages, counters, is done once for all of
 * them.
 *
 * @typeParam D how a conversation is described on the wire
 * @typeParam M a message on the wire
 */
export interface ConversationKind<D extends Description = Description, M extends WireMessage = WireMessage> {
  readonly name: ConversationKindName;
  readonly conversations: Model<Conversation>;
  readonly messages: Model<StoredMessage>;
  /** By which messages are read that came by the driver. */
  readonly messageModel: 'Message' | 'Communication';
  /** The names of what others are told. */
  readonly events: { readonly added: string; readonly message: string; readonly read: string };
  /** What every message that is said here has, as the index of UUIDs asks for it. */
  readonly said: Readonly<Record<string, unknown>>;
  /** By what members find a conversation of this title; `null`: not by the title. */
  searchKeyOf(title: string): string | null;
  /** Reads what it takes to show these conversations. */
  describe(conversations: readonly Described[]): Promise<(conversation: Described) => D>;
  /** Reads what it takes to show these messages. */
  describeMessages(messages: readonly StoredMessage[]): Promise<(message: StoredMessage, view: MessageView) => M>;
}
