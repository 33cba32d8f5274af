// The list of chats: every user's own chat with the bot, and the groups.

import { displayName, el, paintAvatar } from "/page/dom.js";
import { summary } from "/page/message.js";
import { clockTime } from "/page/words.js";

/** Draws the rows; `open(chatId)` is called with the one pressed, `beside(chatId)` with one pressed with Ctrl or the middle. */
export class People {
  #list;
  #open;
  #beside;
  #current = null;

  constructor(list, { open, beside }) {
    this.#list = list;
    this.#open = open;
    this.#beside = beside;
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {{peer: object, last: object | null, unread: number, action: string | null, open: boolean}[]} rows @param {number | null} current chat id */
  draw(rows, current) {
    const focused = document.activeElement?.dataset?.chat;
    const moved = current !== this.#current;
    this.#current = current;
    this.#list.replaceChildren(...rows.map((row) => el("li", {}, this.#row(row, current))));
    if (focused) this.#list.querySelector(`[data-chat="${focused}"]`)?.focus({ preventScroll: true });
    if (moved) this.#list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #row({ peer, last, unread, action, open }, current) {
    const avatar = el("span", { "aria-hidden": "true" });
    paintAvatar(avatar, peer);
    const name = displayName(peer);
    const words = [name, peer.id === current ? "open" : open ? "open beside" : null, unread ? `${unread} new` : null].filter(Boolean).join(
      ", ",
    );
    return el(
      "button",
      {
        type: "button",
        class: open ? "person person-open" : "person",
        "data-chat": peer.id,
        "aria-current": peer.id === current ? "true" : null,
        "aria-label": words,
        title: peer.id > 0 ? `User ${peer.id}` : `Group ${peer.id}`,
        on: {
          click: (event) => (event.ctrlKey || event.metaKey ? this.#beside(peer.id) : this.#open(peer.id)),
          auxclick: (event) => event.button === 1 && this.#beside(peer.id),
        },
      },
      avatar,
      el("span", { class: "person-name", dir: "auto" }, name),
      el("span", { class: "person-time" }, last ? clockTime(last.date) : ""),
      el("span", { class: action ? "person-last acting" : "person-last", dir: "auto" }, action ?? (last ? summary(last) : "Nothing said yet")),
      unread ? el("span", { class: "person-unread" }, unread > 99 ? "99+" : String(unread)) : null,
    );
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const rows = [...this.#list.querySelectorAll("button")];
    const next = rows[rows.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}
