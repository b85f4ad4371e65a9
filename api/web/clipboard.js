// Copies text, also where the page came over plain HTTP and the browser gives it no clipboard.
import { button, element } from "./element.js";

const COPIED = 2000; // ms that a button says so

export async function copy(text) {
  if (await navigator.clipboard?.writeText(text).then(() => true, () => false)) return;
  const field = element("textarea", { readonly: true, class: "quiet", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** Returns a button that copies what `text()` gives. */
export function copyButton(name, text) {
  const made = button(name, async () => {
    await copy(text());
    made.classList.add("copied");
    setTimeout(() => made.classList.remove("copied"), COPIED);
  });
  return made;
}
