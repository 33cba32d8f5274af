// The panes that are open beside one another: which one has the focus, and that a reload finds them again.

import { rememberedFocus, rememberedPanes, rememberFocus, rememberPanes } from "/page/state/route.js";
import { State } from "/page/state/state.js";

const NEWCOMER = 2000; // who has never been here begins as the person who is no admin
const MOST = 4;
const BESIDE = matchMedia("(min-width: 941px)"); // as in style.css: below that one pane is shown

export class Panes {
  #row;
  #make;
  #panes = [];
  #focused;
  #state = new State();
  #changed;

  /** @param make gives a new Pane for a number @param changed is called when another chat is open or has the focus */
  constructor(row, make, changed) {
    this.#row = row;
    this.#make = make;
    this.#changed = changed;
    this.#focused = this.#add();
    this.#draw();
  }

  [Symbol.iterator]() {
    return this.#panes.values();
  }

  get focused() {
    return this.#focused;
  }

  /** The panes in which a chat is open. */
  of(chatId) {
    return this.#panes.filter((pane) => pane.chatId === chatId);
  }

  /** Take what the sandbox says: panes of chats that are gone show another. */
  take(state) {
    const another = state.bot.id !== this.#state.bot?.id;
    this.#state = state;
    for (const pane of this.#panes) pane.take(state);
    if (another) this.restore();
    for (const pane of this.#panes) if (!state.has(pane.chatId)) this.#show(pane, state.chatIds[0]);
  }

  /** Open what the address or the last visit names. */
  restore() {
    const wanted = rememberedPanes().filter(({ chatId }) => this.#state.has(chatId)).slice(0, MOST);
    if (!wanted.length) {
      const chatId = this.#state.has(NEWCOMER) ? NEWCOMER : this.#state.chatIds[0];
      wanted.push({ chatId, personId: null });
    }
    while (this.#panes.length > wanted.length) this.#panes.pop().close();
    while (this.#panes.length < wanted.length) this.#add();
    const focus = Math.min(rememberedFocus(), wanted.length - 1);
    this.#focused = this.#panes[focus];
    wanted.forEach(({ chatId, personId }, index) => this.#show(this.#panes[index], chatId, personId));
    this.#after();
  }

  /** Open a chat in the pane that has the focus; when the same person has it open elsewhere, that pane gets the focus. */
  open(chatId) {
    if (!this.#state.has(chatId)) return;
    const personId = this.#speaker(this.#focused, chatId);
    const there = this.of(chatId).find((pane) => pane.personId === personId);
    if (there) this.#focused = there;
    else this.#show(this.#focused, chatId, personId);
    this.#after();
    if (matchMedia("(hover: hover)").matches) this.#focused.focus();
  }

  /** Open a chat beside `pane`: the one named, else the next that is open nowhere. */
  beside(pane, chatId = this.#next(pane)) {
    if (!BESIDE.matches || this.#panes.length === MOST || this.of(chatId).some((one) => one.chatId > 0)) {
      this.#focused = this.of(chatId)[0] ?? pane;
      this.open(chatId);
      return;
    }
    const personId = this.#speaker(pane, chatId, { another: true });
    const added = this.#add(pane);
    this.#focused = added;
    this.#show(added, chatId, personId);
    this.#after();
    added.focus();
  }

  /** Show the chat `to` wherever `chatId` is shown, to the same people. */
  follow(chatId, to) {
    for (const pane of this.of(chatId)) this.#show(pane, to, pane.personId);
    this.#after();
  }

  /** Close one; the last stays. */
  close(pane) {
    if (this.#panes.length === 1) return;
    const index = this.#panes.indexOf(pane);
    this.#panes.splice(index, 1);
    pane.close();
    if (this.#focused === pane) this.#focused = this.#panes[Math.min(index, this.#panes.length - 1)];
    this.#after();
    this.#focused.focus();
  }

  focus(pane) {
    if (pane === this.#focused) return;
    this.#focused = pane;
    this.#after();
  }

  /** Give the focus to the pane behind the one that has it. */
  step() {
    const at = this.#panes.indexOf(this.#focused);
    this.#focused = this.#panes[(at + 1) % this.#panes.length];
    this.#after();
    this.#focused.focus();
  }

  /** Write down what is open, after a pane changed by itself. */
  remember() {
    this.#after();
  }

  #add(after = this.#panes.at(-1)) {
    const taken = new Set(this.#panes.map((pane) => pane.number));
    let number = 1;
    while (taken.has(number)) number += 1;
    const pane = this.#make(number);
    this.#panes.splice(this.#panes.indexOf(after) + 1, 0, pane);
    if (after) after.root.after(pane.root);
    else this.#row.append(pane.root);
    if (this.#state.bot) pane.take(this.#state);
    return pane;
  }

  #show(pane, chatId, personId) {
    pane.open(chatId, personId && this.#state.user(personId) ? personId : this.#speaker(pane, chatId));
    pane.take(this.#state);
  }

  /** Who speaks in a chat: its own person; in a group who spoke in the pane, or `another` than speaks there already. */
  #speaker(pane, chatId, { another = false } = {}) {
    if (chatId > 0) return chatId;
    const people = this.#state.people(chatId).map((person) => person.id);
    const speaking = another ? this.of(chatId).map((one) => one.personId) : [];
    const free = people.filter((id) => !speaking.includes(id));
    return [pane.personId, ...free].find((id) => free.includes(id)) ?? people[0] ?? this.#state.users[0].id;
  }

  #next(pane) {
    const ids = this.#state.chatIds;
    const from = ids.indexOf(pane.chatId);
    const round = [...ids.slice(from + 1), ...ids.slice(0, from)];
    return round.find((id) => !this.of(id).length) ?? round[0] ?? pane.chatId;
  }

  #after() {
    rememberPanes(this.#panes);
    rememberFocus(this.#panes.indexOf(this.#focused));
    this.#draw();
    this.#changed();
  }

  #draw() {
    this.#row.classList.toggle("several", this.#panes.length > 1);
    for (const pane of this.#panes) pane.root.classList.toggle("focused", pane === this.#focused);
    this.#focused.root.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}
