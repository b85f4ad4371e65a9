// Makes what is under a node what descriptions say, and keeps each node that fits: what is selected in it stays.
// A description is a text, `{ tag, attributes, children }`, or `{ View, given }`: a class with `node` and `update`.
import { element } from "./element.js";

const known = new WeakMap(); // what a node was made from: its tag and attributes, or its view

/** Makes the children of a node, from this one on, what the descriptions say. */
export function render(parent, wanted, from = 0) {
  wanted.forEach((want, index) => {
    const there = parent.childNodes[from + index];
    const node = there && fits(there, want) ? there : made(want);
    if (!there) parent.append(node);
    else if (node !== there) there.replaceWith(node);
    if (typeof want === "string") rewrite(node, want);
    else if (want.View) known.get(node).update(...want.given);
    else render(node, want.children);
  });
  while (parent.childNodes.length > from + wanted.length) parent.lastChild.remove();
}

const kind = ({ tag, attributes }) => tag + JSON.stringify(attributes);

function fits(node, want) {
  if (typeof want === "string") return node.nodeType === Node.TEXT_NODE;
  return want.View ? known.get(node) instanceof want.View : known.get(node) === kind(want);
}

function made(want) {
  if (typeof want === "string") return document.createTextNode("");
  const view = want.View && new want.View();
  const node = view?.node ?? element(want.tag, want.attributes);
  known.set(node, view ?? kind(want));
  return node;
}

/** Changes of a text only what follows what the old and the new one have in common at their beginning. */
function rewrite(node, text) {
  const old = node.data;
  let same = text.startsWith(old) ? old.length : 0;
  if (!same) while (same < old.length && old[same] === text[same]) same += 1;
  if (old !== text) node.replaceData(same, old.length - same, text.slice(same));
}
