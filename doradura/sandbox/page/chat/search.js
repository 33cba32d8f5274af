// Finding something in the open chat: a word, or a hashtag that was pressed.

import { el, icon } from "/page/elements/dom.js";

/** `messages()` gives the chat's, oldest first; `show(id)` brings one into view; `leave()` takes the focus at the end. */
export class Search {
  #bar;
  #input = el("input", { type: "search", "aria-label": "Find in this chat", placeholder: "Find in this chat", maxlength: 200 });
  #count = el("span", { class: "search-count", role: "status" });
  #messages;
  #show;
  #leave;
  #found = [];
  #at = 0;

  constructor(bar, messages, show, leave) {
    this.#bar = bar;
    this.#messages = messages;
    this.#show = show;
    this.#leave = leave;
    const step = (name, label, by) =>
      el("button", { type: "button", class: "round", "aria-label": label, on: { click: () => this.#step(by) } }, icon(name));
    bar.append(
      this.#input,
      this.#count,
      step("up", "Older match", -1),
      step("down", "Newer match", 1),
      el("button", { type: "button", class: "round", "aria-label": "Close", on: { click: () => this.close() } }, icon("close")),
    );
    this.#input.addEventListener("input", () => this.#look());
    bar.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      else if (event.key === "Enter" && event.target === this.#input) this.#step(event.shiftKey ? 1 : -1);
      else return;
      event.preventDefault();
    });
  }

  /** Open with a text, or with what was looked for last. */
  open(text = this.#input.value) {
    this.#bar.hidden = false;
    this.#input.value = text;
    this.#input.focus();
    this.#input.select();
    this.#look();
  }

  close() {
    this.#bar.hidden = true;
    this.#leave();
  }

  #look() {
    const wanted = this.#input.value.trim().toLowerCase();
    const words = (message) => `${message.text ?? ""} ${message.caption ?? ""} ${message.audio?.title ?? ""}`.toLowerCase();
    this.#found = wanted ? this.#messages().filter((message) => words(message).includes(wanted)) : [];
    this.#at = this.#found.length - 1;
    this.#tell(wanted);
  }

  #step(by) {
    if (!this.#found.length) return;
    this.#at = (this.#at + by + this.#found.length) % this.#found.length;
    this.#tell(true);
  }

  #tell(wanted) {
    const many = this.#found.length;
    this.#count.textContent = !wanted ? "" : many ? `${this.#at + 1} of ${many}` : "Not found";
    if (many) this.#show(this.#found[this.#at].message_id);
  }
}
