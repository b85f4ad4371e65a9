// Files that go along with the next message: pictures and PDFs, as providers take them.
import { button, element } from "./element.js";

export class Attachments {
  #parts = []; // of a message's content (OpenAI Chat), each with the name of its file
  constructor(input, list, failed) {
    Object.assign(this, { input, list });
    input.addEventListener("change", () => this.#add([...input.files]).catch(failed));
  }

  get any() { return this.#parts.length > 0; }

  async #add(files) {
    this.input.value = "";
    const refused = files.filter(({ type }) => !this.input.accept.split(",").includes(type));
    for (const file of files) if (!refused.includes(file)) this.#parts.push([partOf(file, await read(file)), file.name]);
    this.#show();
    const names = refused.map(({ name }) => name).join(", ");
    if (names) throw new Error(`${names} cannot be attached: choose pictures (PNG, JPEG, GIF, WebP) or PDFs.`);
  }

  #show() {
    this.list.replaceChildren(...this.#parts.map(([, name], at) => element("li", { text: name },
      button("×", () => { this.#parts.splice(at, 1); this.#show(); }, { "aria-label": `Remove ${name}` }))));
    this.list.hidden = !this.any;
  }

  /** Returns them, and forgets them. */
  take() {
    const parts = this.#parts.splice(0).map(([part]) => part);
    this.#show();
    return parts;
  }

  /** Takes those of a message back that could not be sent. */
  restore(content) {
    const files = content.filter(({ type }) => type !== "text");
    this.#parts.unshift(...files.map((part) => [part, part.file?.filename ?? "Picture"]));
    this.#show();
  }
}

const partOf = ({ name, type }, url) => (type.startsWith("image/") ? { type: "image_url", image_url: { url } }
  : { type: "file", file: { filename: name, file_data: url } });

const read = (file) => new Promise((resolve, reject) => {
  const reader = Object.assign(new FileReader(), { onload: () => resolve(reader.result), onerror: () => reject(reader.error) });
  reader.readAsDataURL(file);
});
