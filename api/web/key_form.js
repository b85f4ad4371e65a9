// Asks for an API key where the server wants one.
import { hasKey, useKey } from "./access.js";

export class KeyForm {
  /** `entered` is called when a key is there to be tried. */
  constructor(form, alerts, entered) {
    Object.assign(this, { form, alerts, field: form.elements.key });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const wrong = useKey(this.field.value.trim());
      if (wrong) return alerts.show(wrong);
      this.field.value = "";
      form.hidden = true;
      alerts.clear();
      return entered();
    });
  }

  ask() {
    this.alerts.show(hasKey() ? "The server does not accept this API key. Enter another one." : "This server wants an API key.");
    this.form.hidden = false;
    this.field.focus();
  }
}
