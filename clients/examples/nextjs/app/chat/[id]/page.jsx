import { history } from "../../../lib/midstream.js";
import { Chat } from "./chat.jsx";

export const dynamic = "force-dynamic";

export default async function Page({ params }) {
  const { id } = await params;
  return <Chat id={id} said={await history(id)} />;
}
