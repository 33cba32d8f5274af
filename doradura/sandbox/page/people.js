// The list of chats: every user's own chat with the bot, and the groups.

import { displayName, el, paintAvatar } from "/page/elements/dom.js";
import { summary } from "/page/chat/message.js";
import { clockTime } from "/page/elements/words.js";

/**
 * Draws the rows; `open(chatId)` is called with the one pressed, `beside(chatId)` with one pressed with Ctrl or the middle.
 * A row stays the same while what it says changes: a press in a busy moment must not fall between two of them.
 */
export class People {
  #list;
  #open;
  #beside;
  #current = null;
  #rows = new Map(); // chat id -> Row

  constructor(list, { open, beside }) {
    this.#list = list;
    this.#open = open;
    this.#beside = beside;
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {{peer: object, last: object | null, unread: number, action: string | null, open: boolean}[]} rows @param {number | null} current chat id */
  draw(rows, current) {
    const moved = current !== this.#current;
    this.#current = current;
    const ids = rows.map(({ peer }) => peer.id);
    const same = ids.length === this.#rows.size && [...this.#rows.keys()].every((id, index) => id === ids[index]);
    if (!same) this.#arrange(ids);
    for (const row of rows) this.#rows.get(row.peer.id).draw(row, current);
    if (moved) this.#list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Have one row for each chat, in this order. */
  #arrange(ids) {
    const focused = document.activeElement?.dataset?.chat;
    this.#rows = new Map(ids.map((id) => [id, this.#rows.get(id) ?? new Row(id, this.#open, this.#beside)]));
    this.#list.replaceChildren(...[...this.#rows.values()].map((row) => row.item));
    if (focused) this.#list.querySelector(`[data-chat="${focused}"]`)?.focus({ preventScroll: true });
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

class Row {
  item;
  #button;
  #avatar = el("span", { "aria-hidden": "true" });
  #name = el("span", { class: "person-name", dir: "auto" });
  #time = el("span", { class: "person-time" });
  #last = el("span", { dir: "auto" });
  #unread = el("span", { class: "person-unread" });

  constructor(id, open, beside) {
    this.#button = el(
      "button",
      {
        type: "button",
        "data-chat": id,
        title: id > 0 ? `User ${id}` : `Group ${id}`,
        on: {
          click: (event) => (event.ctrlKey || event.metaKey ? beside(id) : open(id)),
          auxclick: (event) => event.button === 1 && beside(id),
        },
      },
      this.#avatar,
      this.#name,
      this.#time,
      this.#last,
      this.#unread,
    );
    this.item = el("li", {}, this.#button);
  }

  draw({ peer, last, unread, action, open }, current) {
    const isCurrent = peer.id === current;
    const name = displayName(peer);
    const place = isCurrent ? "open" : open ? "open beside" : null;
    paintAvatar(this.#avatar, peer);
    this.#button.className = open ? "person person-open" : "person";
    if (isCurrent) this.#button.setAttribute("aria-current", "true");
    else this.#button.removeAttribute("aria-current");
    this.#button.setAttribute("aria-label", [name, place, unread ? `${unread} new` : null].filter(Boolean).join(", "));
    this.#name.textContent = name;
    this.#time.textContent = last ? clockTime(last.date) : "";
    this.#last.className = action ? "person-last acting" : "person-last";
    this.#last.textContent = action ?? (last ? summary(last) : "Nothing said yet");
    this.#unread.hidden = !unread;
    this.#unread.textContent = unread > 99 ? "99+" : String(unread);
  }
}
