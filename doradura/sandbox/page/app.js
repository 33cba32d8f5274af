// The page's start: wires the connection, the list of chats, the open panes and the panel of calls together.

import { Actions } from "/page/state/actions.js";
import { Announcer } from "/page/announcer.js";
import { Api, ApiError } from "/page/state/api.js";
import { Calls } from "/page/calls/calls.js";
import { displayName, drawIcons } from "/page/elements/dom.js";
import { Live } from "/page/state/live.js";
import { toast } from "/page/elements/notices.js";
import { Pane } from "/page/panes/pane.js";
import { Panes } from "/page/panes/panes.js";
import { People } from "/page/people.js";
import { askForGroup, askForPerson, askForToken } from "/page/questions.js";
import { read, tokenInAddress, write } from "/page/state/route.js";
import { listenForShortcuts } from "/page/elements/shortcuts.js";
import { botOf, State } from "/page/state/state.js";
import { Store } from "/page/state/store.js";

const part = (id) => document.getElementById(id);

class Page {
  actions = new Actions();
  calls;
  #api = new Api(tokenInAddress());
  #store = new Store();
  #live = new Live(this.#api, this.#store);
  #people = new People(part("people"), {
    open: (id) => this.#panes.open(id),
    beside: (id) => this.#panes.beside(this.#panes.focused, id),
  });
  #announcer = new Announcer(part("announcer"));
  #state = new State();
  #status = "connecting";
  #panes;
  #drawing = false;

  start() {
    drawIcons(document);
    this.calls = new Calls(this.#api, part("panel"));
    this.#panes = new Panes(part("panes"), (number) => this.#pane(number), () => this.#drawSoon());
    this.#live.addEventListener("state", ({ detail }) => this.#take(detail));
    this.#live.addEventListener("status", ({ detail }) => this.#connected(detail));
    this.#live.addEventListener("action", ({ detail }) => this.actions.begin(detail.chat_id, detail.action));
    this.actions.addEventListener("change", () => this.#drawAll());
    this.#live.addEventListener("block", ({ detail }) => this.#noteBlock(detail.chat_id, detail.blocked));
    for (const change of ["put", "remove", "replace"]) {
      this.#store.addEventListener(change, ({ detail }) => this.#changed(change, detail));
    }
    addEventListener("hashchange", () => this.#state.bot && this.#panes.restore());
    document.addEventListener("visibilitychange", () => this.#drawSoon());
    document.addEventListener("money", () => this.refresh());
    part("add-person").addEventListener("click", () => this.#addPerson());
    part("add-group").addEventListener("click", () => this.#addGroup());
    part("bot-select").addEventListener("change", (event) => this.#chooseBot(Number(event.target.value)));
    listenForShortcuts({
      find: () => this.#panes.focused.find(),
      step: (by) => this.#step(by),
      pane: () => this.#panes.step(),
      beside: () => this.#state.bot && this.#panes.beside(this.#panes.focused),
      calls: () => this.calls.toggle(),
    });
    this.#live.start();
  }

  // What a pane asks.

  focus(pane) {
    this.#panes?.focus(pane);
  }

  beside(pane) {
    this.#panes.beside(pane);
  }

  close(pane) {
    this.#panes.close(pane);
  }

  read() {
    this.#drawSoon();
  }

  spoke() {
    this.#panes.remember();
  }

  refresh() {
    return this.#told(() => this.#live.refresh());
  }

  block(pane, blocked) {
    const { chatId, personId } = pane;
    const words = chatId < 0 ? ["The bot is out", "The bot is back"] : ["Blocked: the bot can't write here", "Unblocked"];
    return this.#told(async () => {
      await this.#api.post(`chats/${chatId}/block`, { from_id: personId, blocked });
      this.#noteBlock(chatId, blocked);
      if (chatId < 0) await this.#live.refresh();
      toast(words[blocked ? 0 : 1]);
    });
  }

  member(chatId, userId, status) {
    return this.#told(async () => {
      await this.#api.post(`chats/${chatId}/members`, { user_id: userId, status });
      await this.#live.refresh();
    });
  }

  upgrade({ chatId, personId }) {
    return this.#told(() => this.#api.post(`chats/${chatId}/upgrade`, { from_id: personId }));
  }

  #pane(number) {
    const pane = new Pane({ number, api: this.#api, store: this.#store, page: this });
    pane.connected(this.#status);
    return pane;
  }

  #step(by) {
    const ids = this.#state.chatIds;
    const at = ids.indexOf(this.#panes.focused.chatId);
    if (at >= 0) this.#panes.open(ids[(at + by + ids.length) % ids.length]);
  }

  #take(answer) {
    const bot = botOf(answer, this.#api.token);
    if (!bot) return;
    this.#state = new State(answer, bot);
    this.#panes.take(this.#state);
    this.#drawBots();
    this.#drawSoon();
  }

  #connected({ status, why }) {
    this.#status = status;
    part("banner").hidden = status !== "reconnecting";
    part("banner").textContent = `${why} Trying again …`;
    for (const pane of this.#panes) pane.connected(status);
  }

  #changed(change, { chatId, message, fresh }) {
    const online = this.#status === "online";
    if (change === "put" && fresh) {
      this.actions.end(chatId);
      if (online) this.#announce(chatId, message);
    }
    const moved = message?.new_chat_members ?? message?.left_chat_member ?? message?.new_chat_title;
    if (online && fresh && message.migrate_to_chat_id) this.#follow(chatId, message.migrate_to_chat_id);
    else if (online && message && ((fresh && moved) || !this.#state.has(chatId))) this.refresh();
    this.#drawSoon();
  }

  /** A group became a supergroup, with another id: whoever has it open goes along. */
  async #follow(chatId, to) {
    await this.refresh();
    this.#panes.follow(chatId, to);
  }

  #announce(chatId, message) {
    const panes = this.#panes.of(chatId);
    if (!panes.length || panes.some((pane) => pane.personId === message.from?.id)) return;
    this.#announcer.say(message, this.#panes.focused.chatId === chatId ? null : this.#state.nameOf(chatId));
  }

  #noteBlock(chatId, blocked) {
    this.#state.noteBlock(chatId, blocked);
    this.#drawAll();
  }

  #drawAll() {
    for (const pane of this.#panes) pane.draw();
    this.#drawSoon();
  }

  /** The list and the title, once for all changes of a moment. */
  #drawSoon() {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => {
      this.#drawing = false;
      this.#drawPeople();
    }, 30);
  }

  #drawPeople() {
    if (!this.#state.bot) return;
    const rows = this.#state.chatIds.map((id) => ({
      peer: this.#state.peer(id),
      last: this.#store.last(id),
      unread: this.#unread(id),
      action: this.actions.words(id),
      open: this.#panes.of(id).length > 0,
    }));
    this.#people.draw(rows, this.#panes.focused.chatId);
    const unread = rows.reduce((sum, row) => sum + row.unread, 0);
    document.title = `${unread ? `(${unread}) ` : ""}${displayName(this.#state.bot)} · sandbox`;
  }

  #unread(chatId) {
    const key = `read:${this.#state.bot.id}:${chatId}`;
    const newest = this.#store.last(chatId)?.message_id ?? 0;
    const seen = !document.hidden && this.#panes.of(chatId).some((pane) => pane.isShown && pane.atBottom);
    if (seen || Number(read(key)) > newest) write(key, String(newest)); // a sandbox in memory counts from 1 again
    const after = Number(read(key));
    return this.#store.messages(chatId).filter((message) => message.message_id > after && message.from?.id !== chatId)
      .length;
  }

  #drawBots() {
    const select = part("bot-select");
    select.hidden = this.#state.bots.length < 2;
    select.replaceChildren(
      ...this.#state.bots.map((bot) =>
        new Option(`${displayName(bot)} · ${bot.id}`, bot.id, false, bot.id === this.#state.bot.id)
      ),
    );
  }

  /** The sandbox tells bots apart by their tokens, which it does not give away: another one's must be known. */
  async #chooseBot(id) {
    const bot = this.#state.bots.find((one) => one.id === id);
    const first = id === this.#state.bots[0].id;
    const token = first ? "" : await askForToken(bot);
    part("bot-select").value = String(this.#state.bot.id);
    if (token !== null) location.assign(token ? `/?${new URLSearchParams({ token })}` : "/");
  }

  async #addPerson() {
    const answer = await askForPerson();
    if (answer) await this.#add("users", answer);
  }

  async #addGroup() {
    const answer = await askForGroup(this.#state.users);
    if (answer) await this.#add("chats", answer);
  }

  #add(path, body) {
    return this.#told(async () => {
      const { id } = await this.#api.post(path, body);
      await this.#live.refresh();
      this.#panes.open(id);
    });
  }

  async #told(call) {
    try {
      await call();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { kind: "bad" });
    }
  }
}

new Page().start();
