// Messages that were sent as one (media_group_id), drawn as one block: pictures and films as a mosaic, files as a list.

import { el } from "/page/elements/dom.js";
import { arrange } from "/page/chat/message.js";

const SEEN = ["photo", "video", "animation"];

export class Album {
  day = el("p", { class: "day" });
  #views = []; // ascending message_id
  #grid = el("div", { class: "album", role: "group" });

  constructor() {
    this.node = el("div", { class: "item" }, this.day, this.#grid);
  }

  get isEmpty() {
    return this.#views.length === 0;
  }

  /** Take a message's view in, at its place. */
  put(view) {
    view.album = this;
    view.day.hidden = true;
    const id = view.message.message_id;
    const index = this.#views.findIndex((other) => other.message.message_id > id);
    const next = index < 0 ? null : this.#views[index];
    this.#views.splice(index < 0 ? this.#views.length : index, 0, view);
    this.#grid.insertBefore(view.node, next?.node ?? null);
    this.#draw();
  }

  remove(view) {
    this.#views = this.#views.filter((other) => other !== view);
    view.node.remove();
    if (this.isEmpty) this.node.remove();
    else this.#draw();
  }

  /** Fit in behind the message `before`, or null, as a message does. */
  arrange(before) {
    arrange(this, this.#views[0].message, before);
  }

  #draw() {
    const seen = this.#views.every(({ message }) => SEEN.some((kind) => message[kind]));
    const own = this.#views[0].article.classList.contains("own");
    const many = this.#views.length;
    this.#grid.className = `album ${seen ? "mosaic" : "listed"} ${own ? "own" : "other"} ${many % 2 ? "odd" : "even"}`;
    this.#grid.setAttribute("aria-label", `Album of ${many}`);
    this.node.style.setProperty("--many", many);
  }
}
