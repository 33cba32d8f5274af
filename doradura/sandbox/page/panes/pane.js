// One pane: one person in one chat, with a head, messages and a text field of its own.

import { Conversation } from "/page/chat/conversation.js";
import { displayName, drawIcons, el } from "/page/elements/dom.js";
import { Head } from "/page/panes/head.js";
import { Members } from "/page/panes/members.js";
import { menuButton } from "/page/elements/menu.js";
import { ask } from "/page/elements/notices.js";
import { drawWaiting } from "/page/chat/samples.js";
import { Search } from "/page/chat/search.js";
import { showShortcuts } from "/page/elements/shortcuts.js";
import { State } from "/page/state/state.js";

const REFERRING = ["aria-controls", "aria-labelledby"];

/**
 * `page` is what a pane asks of the page: focus(pane), beside(pane), close(pane), read(), refresh(), block(pane,
 * blocked), member(chatId, userId, status), upgrade(pane),
 * spoke(), actions, and calls, the panel.
 */
export class Pane {
  chatId = null;
  personId = null; // who speaks: in a private chat the chat's own user
  #parts;
  #page;
  #head;
  #search;
  #members;
  #conversation;
  #state = new State();
  #end = new AbortController();

  /** @param {number} number no other open pane has; the first's parts have plain ids */
  constructor({ number, api, store, page }) {
    this.#page = page;
    this.root = document.getElementById("pane").content.cloneNode(true).firstElementChild;
    this.number = number;
    this.#parts = named(this.root, number === 1 ? "" : `-${number}`);
    drawIcons(this.root);
    const signal = this.#end.signal;
    this.#head = new Head(this.#parts);
    this.#conversation = new Conversation({ api, store, parts: this.#parts, signal });
    this.#search = new Search(
      this.#parts.search,
      () => store.messages(this.chatId),
      (id) => this.#conversation.show(id),
      () => this.#conversation.composer.focus(),
    );
    this.#members = new Members((userId, status) => page.member(this.chatId, userId, status));
    this.#listen(signal);
  }

  #listen(signal) {
    const { root } = this;
    const { unblock, beside, closePane, menuButton: button, menu, speaker } = this.#parts;
    for (const event of ["focusin", "pointerdown"]) root.addEventListener(event, () => this.#page.focus(this));
    root.addEventListener("find", ({ detail }) => this.find(detail));
    this.#conversation.log.addEventListener("read", () => this.#page.read());
    unblock.addEventListener("click", () => this.#page.block(this, false));
    beside.addEventListener("click", () => this.#page.beside(this));
    closePane.addEventListener("click", () => this.#page.close(this));
    speaker.addEventListener("change", (event) => this.#speakAs(Number(event.target.value)));
    menuButton(button, menu, () => this.#menu(), signal);
  }

  /** Whether its newest message is in sight. */
  get atBottom() {
    return this.#conversation.log.atBottom;
  }

  /** Whether it is on the screen: on a narrow one only the pane with the focus is. */
  get isShown() {
    return this.root.offsetParent !== null;
  }

  /** Show a chat; `personId` is who speaks in it. */
  open(chatId, personId) {
    this.chatId = chatId;
    this.personId = personId;
    this.#parts.search.hidden = true;
    this.#conversation.open(chatId, personId, this.#state.bot);
    this.draw();
  }

  /** Take what the sandbox says of people and chats. */
  take(state) {
    this.#state = state;
    this.#conversation.stars = state.stars(this.personId) ?? 0;
    this.draw();
  }

  /** Show how the connection stands ("waiting", "online" or "reconnecting"). */
  connected(status) {
    this.#head.connected(status);
    const { hint } = this.#parts;
    const waiting = status === "waiting";
    this.root.classList.toggle("waiting", waiting);
    if (waiting && hint.dataset.for !== "waiting") {
      hint.dataset.for = "waiting";
      drawWaiting(hint);
    }
    if (waiting) hint.hidden = false;
    else if (hint.dataset.for === "waiting" && this.chatId !== null) this.open(this.chatId, this.personId);
    this.draw();
  }

  find(text) {
    if (this.#state.bot) this.#search.open(text);
  }

  focus() {
    this.#conversation.composer.focus();
  }

  close() {
    this.#end.abort();
    this.root.remove();
  }

  draw() {
    const { bot } = this.#state;
    const group = this.#state.group(this.chatId);
    const speaker = this.#state.user(this.personId);
    this.#head.draw({ bot, group, speaker, action: this.#page.actions.words(this.chatId) });
    const { unblock, composerRow, text, send, samplesButton, menuButton: button, beside } = this.#parts;
    const shut = this.chatId !== null && this.#state.isShut(this.chatId);
    unblock.hidden = !shut;
    composerRow.hidden = shut;
    unblock.textContent = group
      ? "The bot is not in this group. Press to bring it back."
      : "You blocked this bot. Press to unblock it.";
    for (const control of [text, send, samplesButton, button, beside]) control.disabled = !bot;
    if (bot) this.root.setAttribute("aria-label", `${displayName(speaker)} ${group ? "in" : "with"} ${displayName(group ?? bot)}`);
    this.#drawSpeaker(group && !shut ? this.#state.people(group.id) : [], speaker);
    if (group) this.#members.draw(this.#state, group.id);
  }

  /** In a group: as whom one speaks. */
  #drawSpeaker(people, speaker) {
    const { speaker: slot } = this.#parts;
    const listed = people.some((person) => person.id === speaker?.id) || !speaker ? people : [...people, speaker];
    const key = JSON.stringify([speaker?.id, listed.map((person) => [person.id, displayName(person)])]);
    slot.hidden = people.length === 0;
    if (slot.hidden || slot.dataset.key === key) return;
    slot.dataset.key = key;
    slot.replaceChildren(
      el(
        "label",
        {},
        el("span", {}, "You speak as"),
        el("select", { dir: "auto" }, listed.map((person) => new Option(displayName(person), person.id, false, person.id === speaker?.id))),
      ),
      el("button", { type: "button", class: "inline-link", on: { click: () => this.#openMembers() } }, membersWords(people.length)),
    );
  }

  #speakAs(personId) {
    this.open(this.chatId, personId);
    this.take(this.#state);
    this.#page.spoke();
  }

  #openMembers() {
    this.#page.refresh();
    this.#members.open(this.#state, this.chatId);
  }

  #menu() {
    const group = this.chatId < 0;
    const shut = this.#state.isShut(this.chatId);
    const stars = this.#state.stars(this.personId);
    const { calls } = this.#page;
    const [block, unblock] = group
      ? ["Throw the bot out", "Bring the bot back"]
      : ["Block the bot", "Unblock the bot"];
    return [
      ...(stars === undefined ? [] : [{ label: `${stars.toLocaleString("en")} ⭐ to spend`, act: () => aboutStars(stars) }]),
      ...(group ? [{ label: "Members", act: () => this.#openMembers() }] : []),
      ...(this.#state.group(this.chatId)?.type === "group" && !shut
        ? [{ label: "Make it a supergroup", act: () => this.#page.upgrade(this) }]
        : []),
      { label: "Find in this chat", act: () => this.#search.open() },
      { label: "Open in a window of its own", act: () => open(this.#address(), "_blank", "noopener") },
      { label: calls.isOpen ? "Hide Bot API calls" : "Show Bot API calls", act: () => calls.toggle() },
      { label: "Keys", act: showShortcuts },
      { label: shut ? unblock : block, danger: !shut, act: () => this.#page.block(this, !shut) },
    ];
  }

  #address() {
    return `${location.pathname}${location.search}#${this.chatId < 0 ? `${this.chatId}:${this.personId}` : this.chatId}`;
  }
}

const membersWords = (many) => `${many} ${many === 1 ? "person" : "people"} here`;

function aboutStars(stars) {
  ask({
    title: `${stars.toLocaleString("en")} ⭐`,
    text: "Pretended Stars, to pay bots with. What is missing for a payment is added by itself; no money moves.",
  });
}

/** The parts of a new pane by name ("log-column" is logColumn), each with an id of its own. */
function named(root, suffix) {
  const parts = { root };
  for (const node of root.querySelectorAll("[data-part]")) {
    const name = node.dataset.part;
    node.id = `${name}${suffix}`;
    parts[name.replace(/-(.)/g, (_, letter) => letter.toUpperCase())] = node;
    for (const attribute of REFERRING) {
      if (node.hasAttribute(attribute)) node.setAttribute(attribute, `${node.getAttribute(attribute)}${suffix}`);
    }
  }
  return parts;
}
