import { passOn } from "../../../../../lib/midstream.js";

export async function GET(request, { params }) {
  const { id } = await params;
  return passOn(request, `/api/chat/${encodeURIComponent(id)}/stream${new URL(request.url).search}`);
}
