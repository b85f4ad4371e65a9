// Makes elements. What is given as a text stays a text: nothing on this page is ever read as HTML.

export function element(tag, { text, on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  const given = Object.entries(attributes).filter(([, value]) => value !== false && value != null);
  for (const [name, value] of given) made.setAttribute(name, value === true ? "" : value);
  for (const [type, heard] of Object.entries(on)) made.addEventListener(type, heard);
  if (text != null) made.textContent = text;
  made.append(...children);
  return made;
}

export const button = (name, press, attributes = {}) =>
  element("button", { type: "button", text: name, on: { click: press }, ...attributes });

/** Sets a text only where it is another one: a selection in it, and what a screen reader has read, stay. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
