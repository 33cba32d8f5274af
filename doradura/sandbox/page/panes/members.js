// The members of a group: who they are, and ways to let people and the bot come, go and manage.

import { displayName, el, paintAvatar } from "/page/elements/dom.js";
import { INSIDE } from "/page/state/state.js";

const WORDS = {
  creator: "made the group",
  administrator: "administrator",
  member: "member",
  restricted: "restricted",
  left: "not here",
  kicked: "banned",
};

/** `change(userId, status)` is called with what somebody is to be. */
export class Members {
  #change;
  #dialog = null;
  #list;

  constructor(change) {
    this.#change = change;
  }

  open(state, chatId) {
    this.#list = el("ul", { class: "members" });
    const close = el("button", { type: "button", class: "strong", on: { click: () => this.#dialog.close() } }, "Done");
    const title = `Members of ${state.nameOf(chatId)}`;
    this.#dialog = el("dialog", { "aria-label": title }, el("h3", { dir: "auto" }, title), this.#list, el("div", { class: "dialog-row" }, close));
    this.#dialog.addEventListener("close", () => {
      this.#dialog.remove();
      this.#dialog = null;
    });
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.draw(state, chatId);
  }

  /** Show who is what by now, if the list is open. */
  draw(state, chatId) {
    if (!this.#dialog) return;
    const focused = document.activeElement?.dataset?.member;
    const members = state.members(chatId);
    const known = new Set(members.map(({ peer }) => peer.id));
    const others = state.users.filter((user) => !known.has(user.id)).map((peer) => ({ peer, status: "left" }));
    this.#list.replaceChildren(...[...members, ...others].map((member) => this.#row(member, state.bot)));
    if (!focused) return;
    const again = this.#list.querySelector(`[data-member="${focused}"]`);
    (again ?? this.#dialog.querySelector(".strong")).focus();
  }

  #row({ peer, status }, bot) {
    const avatar = el("span", { "aria-hidden": "true" });
    paintAvatar(avatar, peer);
    const name = displayName(peer);
    const button = (label, to) =>
      el("button", {
        type: "button",
        class: "quiet",
        "aria-label": `${label} ${name}`,
        "data-member": `${peer.id} ${to === "administrator" || label === "Make member" ? "rank" : "place"}`,
        on: { click: () => this.#change(peer.id, to) },
      }, label);
    const inside = INSIDE.includes(status);
    return el(
      "li",
      {},
      avatar,
      el(
        "div",
        { class: "member-name" },
        el("strong", { dir: "auto" }, name),
        el("span", {}, peer.id === bot.id ? `the bot, ${WORDS[status]}` : WORDS[status]),
      ),
      status === "creator" ? null : el(
        "div",
        { class: "member-acts" },
        !inside
          ? null
          : status === "administrator"
          ? button("Make member", "member")
          : button("Make admin", "administrator"),
        inside ? button("Remove", "left") : button("Add", "member"),
      ),
    );
  }
}
