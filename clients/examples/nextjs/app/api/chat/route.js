import { passOn } from "../../../lib/midstream.js";

// Who asks, and may they? Your own login belongs here, and into the two routes below.
export async function POST(request) {
  const { id, messages, trigger, messageId } = await request.json();
  // The model is this server's choice, not the browser's.
  return passOn(request, "/api/chat", { id, messages, trigger, messageId, model: process.env.MODEL });
}
