// The page's start: wires the connection, the list of chats and the open conversation together.

import { Api, ApiError } from "/page/api.js";
import { Calls } from "/page/calls.js";
import { Conversation } from "/page/conversation.js";
import { displayName, drawIcons } from "/page/dom.js";
import { Head } from "/page/head.js";
import { botOf, chatIds, Live } from "/page/live.js";
import { menuButton } from "/page/menu.js";
import { ask, toast } from "/page/notices.js";
import { People } from "/page/people.js";
import { askForGroup, askForPerson, askForToken } from "/page/questions.js";
import { read, rememberChat, rememberedChat, tokenInAddress, write } from "/page/route.js";
import { drawWaiting } from "/page/samples.js";
import { Search } from "/page/search.js";
import { listenForShortcuts, showShortcuts } from "/page/shortcuts.js";
import { Store } from "/page/store.js";

const part = (id) => document.getElementById(id);

class Page {
  #api = new Api(tokenInAddress());
  #store = new Store();
  #live = new Live(this.#api, this.#store);
  #conversation = new Conversation(this.#api, this.#store);
  #people = new People(part("people"), (id) => this.open(id));
  #calls = new Calls(this.#api, part("panel"));
  #state = { bots: [], users: [], chats: [], blocked_by: [] };
  #bot = null;
  #current = null;
  #me = null; // the user whose chat was open last: who speaks in a group
  #head = new Head(() => this.#drawHead());
  #search = new Search(
    part("search"),
    () => this.#store.messages(this.#current),
    (id) => this.#conversation.show(id),
  );
  #drawing = false;

  start() {
    drawIcons(document);
    this.#live.addEventListener("state", ({ detail }) => this.#take(detail));
    this.#live.addEventListener("status", ({ detail }) => this.#show(detail));
    this.#live.addEventListener("action", ({ detail }) => this.#head.act(detail.chat_id, detail.action));
    this.#live.addEventListener("block", ({ detail }) => this.#noteBlock(detail.chat_id, detail.blocked));
    for (const change of ["put", "remove", "replace"]) {
      this.#store.addEventListener(change, ({ detail }) => this.#changed(change, detail));
    }
    this.#conversation.log.addEventListener("read", () => this.#drawSoon());
    addEventListener("hashchange", () => this.open(rememberedChat()));
    document.addEventListener("visibilitychange", () => this.#drawSoon());
    part("add-person").addEventListener("click", () => this.#addPerson());
    part("add-group").addEventListener("click", () => this.#addGroup());
    document.addEventListener("find", ({ detail }) => this.#search.open(detail));
    document.addEventListener("money", () => this.#refresh());
    part("unblock").addEventListener("click", () => this.#block(false));
    part("bot-select").addEventListener("change", (event) => this.#chooseBot(Number(event.target.value)));
    menuButton(part("menu-button"), part("menu"), () => this.#menu());
    listenForShortcuts({
      find: () => this.#bot && this.#search.open(),
      step: (by) => this.#step(by),
      calls: () => this.#calls.toggle(),
    });
    this.#drawHead();
    this.#live.start();
  }

  open(chatId) {
    if (!this.#bot || !chatIds(this.#state).includes(chatId)) return;
    if (chatId > 0) this.#me = chatId;
    this.#me ??= this.#state.users[0].id;
    this.#current = chatId;
    part("search").hidden = true;
    rememberChat(chatId);
    this.#conversation.open(chatId, this.#me, this.#bot);
    if (matchMedia("(hover: hover)").matches) this.#conversation.composer.focus();
    this.#drawHead();
    this.#drawSoon();
    part("people").querySelector(`[data-chat="${chatId}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #step(by) {
    const ids = chatIds(this.#state);
    if (ids.length) this.open(ids[(ids.indexOf(this.#current) + by + ids.length) % ids.length]);
  }

  #take(state) {
    const bot = botOf(state, this.#api.token);
    if (!bot) return;
    this.#state = state;
    this.#conversation.stars = state.stars ?? {};
    const changed = bot.id !== this.#bot?.id;
    this.#bot = bot;
    const ids = chatIds(state);
    if (changed || !ids.includes(this.#current)) {
      const wanted = rememberedChat();
      this.open(ids.includes(wanted) ? wanted : ids[0]);
    }
    this.#drawBots();
    this.#drawHead();
    this.#drawSoon();
  }

  #show({ status, why }) {
    const waiting = status === "waiting";
    this.#head.connected(status, why);
    part("frame").classList.toggle("waiting", waiting);
    if (waiting && part("hint").dataset.for !== "waiting") {
      part("hint").dataset.for = "waiting";
      drawWaiting(part("hint"));
    }
    if (waiting) part("hint").hidden = false;
    if (status === "online" && part("hint").dataset.for === "waiting" && this.#current !== null) {
      this.open(this.#current);
    }
    this.#drawHead();
  }

  #changed(change, { chatId, message, fresh }) {
    if (change === "put" && fresh) this.#head.acted(chatId);
    if (message && !chatIds(this.#state).includes(chatId) && this.#head.online) this.#refresh();
    this.#drawHead();
    this.#drawSoon();
  }

  #drawHead() {
    const group = this.#state.chats.find((chat) => chat.id === this.#current && chat.id < 0) ?? null;
    const speaker = this.#state.users.find((user) => user.id === this.#me);
    this.#head.draw({ bot: this.#bot, chatId: this.#current, group, speaker });
    const blocked = this.#current !== null && this.#blocked();
    part("unblock").hidden = !blocked;
    part("composer-row").hidden = blocked;
    for (const id of ["text", "send", "samples-button", "menu-button"]) part(id).disabled = !this.#bot;
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
    if (!this.#bot) return;
    const peers = new Map(this.#state.chats.map((chat) => [chat.id, chat]));
    for (const user of this.#state.users) peers.set(user.id, user);
    const rows = chatIds(this.#state).map((id) => ({
      peer: peers.get(id),
      last: this.#store.last(id),
      unread: this.#unread(id),
    }));
    this.#people.draw(rows, this.#current);
    const unread = rows.reduce((sum, row) => sum + row.unread, 0);
    document.title = `${unread ? `(${unread}) ` : ""}${displayName(this.#bot)} · sandbox`;
  }

  #unread(chatId) {
    const key = `read:${this.#bot.id}:${chatId}`;
    const newest = this.#store.last(chatId)?.message_id ?? 0;
    const seen = chatId === this.#current && !document.hidden && this.#conversation.log.atBottom;
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
        new Option(`${displayName(bot)} · ${bot.id}`, bot.id, false, bot.id === this.#bot.id)
      ),
    );
  }

  /** The sandbox tells bots apart by their tokens, which it does not give away: another one's must be known. */
  async #chooseBot(id) {
    const bot = this.#state.bots.find((one) => one.id === id);
    const first = id === this.#state.bots[0].id;
    const token = first ? "" : await askForToken(bot);
    part("bot-select").value = String(this.#bot.id);
    if (token !== null) location.assign(token ? `/?${new URLSearchParams({ token })}` : "/");
  }

  #menu() {
    const blocked = this.#blocked();
    const stars = this.#state.stars?.[this.#me];
    return [
      ...(stars === undefined ? [] : [{ label: `${stars.toLocaleString("en")} ⭐ to spend`, act: () => this.#aboutStars(stars) }]),
      { label: "Find in this chat", act: () => this.#search.open() },
      { label: "Open in a window of its own", act: () => open(location.href, "_blank", "noopener") },
      { label: part("panel").hidden ? "Show Bot API calls" : "Hide Bot API calls", act: () => this.#calls.toggle() },
      { label: "Keys", act: showShortcuts },
      { label: blocked ? "Unblock the bot" : "Block the bot", danger: !blocked, act: () => this.#block(!blocked) },
    ];
  }

  #blocked() {
    return this.#state.blocked_by.includes(this.#current);
  }

  #noteBlock(chatId, blocked) {
    const others = this.#state.blocked_by.filter((id) => id !== chatId);
    this.#state.blocked_by = blocked && chatId > 0 ? [...others, chatId] : others;
    this.#drawHead();
  }

  async #block(blocked) {
    const chatId = this.#current;
    await this.#told(async () => {
      await this.#api.post(`chats/${chatId}/block`, { from_id: this.#conversation.personId, blocked });
      this.#noteBlock(chatId, blocked);
      toast(blocked ? "Blocked: the bot can't write here" : "Unblocked");
    });
  }

  async #addPerson() {
    const answer = await askForPerson();
    if (!answer) return;
    await this.#told(async () => {
      const user = await this.#api.post("users", answer);
      await this.#live.refresh();
      this.open(user.id);
    });
  }

  #aboutStars(stars) {
    ask({
      title: `${stars.toLocaleString("en")} ⭐`,
      text: "Pretended Stars, to pay bots with. What is missing for a payment is added by itself; no money moves.",
    });
  }

  async #addGroup() {
    const answer = await askForGroup(this.#state.users);
    if (!answer) return;
    await this.#told(async () => {
      const chat = await this.#api.post("chats", answer);
      await this.#live.refresh();
      this.open(chat.id);
    });
  }

  #refresh() {
    this.#told(() => this.#live.refresh());
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
