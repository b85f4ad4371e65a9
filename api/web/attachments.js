// Files that go along with the next message: pictures and PDFs, as providers take them.
import { button, element } from "./element.js";

export class Attachments {
  #files = [];
  constructor(input, list, failed) {
    Object.assign(this, { input, list, failed });
    input.addEventListener("change", () => this.#add([...input.files]));
  }

  async #add(files) {
    this.input.value = "";
    const taken = this.input.accept.split(",");
    for (const file of files) {
      if (taken.includes(file.type)) this.#files.push({ url: await read(file), name: file.name, type: file.type });
      else this.failed(new Error(`${file.name} cannot be attached: choose a picture (PNG, JPEG, GIF, WebP) or a PDF.`));
    }
    this.#show();
  }

  #show() {
    this.list.replaceChildren(...this.#files.map(({ name }, at) => element("li", { text: name },
      button("×", () => { this.#files.splice(at, 1); this.#show(); }, { "aria-label": `Remove ${name}` }))));
    this.list.hidden = !this.#files.length;
  }

  /** Returns them as parts of a message's content (OpenAI Chat), and forgets them. */
  take() {
    const files = this.#files.splice(0);
    this.#show();
    return files.map(({ name, type, url }) => (type.startsWith("image/") ? { type: "image_url", image_url: { url } }
      : { type: "file", file: { filename: name, file_data: url } }));
  }
}

const read = (file) => new Promise((resolve, reject) => {
  const reader = Object.assign(new FileReader(), { onload: () => resolve(reader.result), onerror: () => reject(reader.error) });
  reader.readAsDataURL(file);
});
