// Writes to another user in the support chat, and prints what both write.
//
//   npm run --silent seed
//   node scripts/examples/chat.mjs <token of Ada> <user id of Ben> [text] [url of the gateway]
import { io } from 'socket.io-client';

const [, , token, userId, text = 'Hello', url = 'http://localhost:4000'] = process.argv;

const socket = io(url, { transports: ['websocket'], auth: { token } });

socket.on('connect_error', ({ message, data, description }) => {
  console.error(`cannot connect to ${url}:`, message, data ?? description?.error?.code ?? '');
  process.exit(1);
});
socket.on('new_message', ({ senderName, content }) => console.log(`${senderName}: ${content}`));

/** Emits an event. @returns the `data` of its answer @throws when it failed, or was not answered in time */
async function ask(event, data) {
  const answer = await socket.timeout(20_000).emitWithAck(event, data);
  if (!answer.success) throw new Error(`${event}: ${answer.code} ${answer.error}`);
  return answer.data;
}

// The same id again is the same conversation, so a second run goes on with it.
const conversation = await ask('create_conversation', {
  participants: [userId],
  clientConversationId: `example-${userId}`,
});
await ask('send_message', { conversationId: conversation._id, content: text });
console.log('sent');
