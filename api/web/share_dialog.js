// Makes a link by which anybody may read one answer, and takes it back.
import { copy } from "./clipboard.js";

export class ShareDialog {
  #shared = ""; // the address of the share
  #asked = null; // for which answer
  constructor(dialog, client, failed) {
    const [link, note] = [dialog.querySelector("input"), dialog.querySelector("[role=status]")];
    Object.assign(this, { dialog, client, failed, link, note, revoke: dialog.querySelector("[name=revoke]") });
    dialog.querySelector("[name=copy]").addEventListener("click", () => copy(link.value));
    this.revoke.addEventListener("click", () => this.#ask("Revoked: the link leads nowhere now.", "DELETE", this.#shared, null));
  }

  async open(id) {
    [this.link.value, this.#asked] = ["", id];
    this.note.textContent = "Making the link…";
    this.dialog.showModal();
    const made = await this.#ask("", "POST", `/v1/generations/${id}/share`, {});
    if (!made || this.#asked !== id) return;
    this.#shared = `/v1/generations/${id}/share/${made.id}`;
    this.link.value = made.url;
    this.link.select();
    this.revoke.disabled = false;
  }

  async #ask(note, ...request) {
    this.revoke.disabled = true;
    try {
      const answer = await this.client.json(...request, { tries: 3 });
      this.note.textContent = note;
      return answer;
    } catch (error) {
      this.dialog.close();
      return this.failed(error);
    }
  }
}
