import { passOn } from "../../../../../lib/midstream.js";

export async function POST(request, { params }) {
  const { id } = await params;
  return passOn(request, `/api/chat/${encodeURIComponent(id)}/stop`);
}
