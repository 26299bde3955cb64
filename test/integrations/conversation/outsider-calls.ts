/** An event for every way to read or change a conversation, without its id. A user who does not take part may send none. */
export const outsiderCalls = (
  messageId: string,
  others: readonly string[],
): readonly [event: string, data: object][] => [
  ['get_conversation_by_id', {}],
  ['list_message', {}],
  ['list_message_by_id', { message_id: messageId }],
  ['typing', {}],
  ['read', {}],
  ['snooze', { until: null }],
  ['archive', {}],
  ['show_on_top', {}],
  ['open', { is_open: false }],
  ['edit_conversation', { title: 'mine' }],
  ['add_participant', { users: others }],
  ['message', { data: 'hello?' }],
];
