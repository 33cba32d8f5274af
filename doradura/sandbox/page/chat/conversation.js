// The open chat: who speaks, what is shown, and what a press does. The log, the composer and the API meet here.

import { ApiError } from "/page/state/api.js";
import { Composer } from "/page/chat/composer.js";
import { replyKeyboard, replyKeyboardOf, whileBusy } from "/page/chat/keyboard.js";
import { Log } from "/page/chat/log.js";
import { ask, toast } from "/page/elements/notices.js";
import { drawHint } from "/page/chat/samples.js";
import { price } from "/page/elements/words.js";

const ANSWER_SECONDS = 30;

export class Conversation {
  chatId = null;
  personId = null; // who speaks: in a private chat the chat's own user
  bot = null;
  stars = 0; // what the person has to spend
  #api;
  #store;
  #parts;
  #usedKeyboard = null;

  /** @param {object} parts of the pane @param {AbortSignal} signal ends it */
  constructor({ api, store, parts, signal }) {
    this.#api = api;
    this.#store = store;
    this.#parts = parts;
    this.composer = new Composer(parts, {
      send: (text, replyTo) => this.send(text, replyTo),
      edit: (message, text) => this.#try(() => this.#say({ text, edit_message_id: message.message_id })),
      attach: (file, caption) => this.#attach(file, caption),
      commands: () => this.#commands(),
      lastOwn: () =>
        this.#store.messages(this.chatId).findLast((message) => this.isOwn(message) && message.text !== undefined) ??
          null,
    }, signal);
    const { log: scroller, logColumn: column, jump } = parts;
    this.log = new Log({ scroller, column, jump, chat: this });
    const here = (act) => ({ detail }) => detail.chatId === this.chatId && act(detail);
    store.addEventListener("replace", here(() => this.#redraw()), { signal });
    store.addEventListener("put", here(({ message }) => this.#after(() => this.log.put(message))), { signal });
    store.addEventListener("remove", here(({ messageId }) => this.#after(() => this.log.remove(messageId))), { signal });
  }

  /** Show a chat; `personId` is who speaks in it. */
  open(chatId, personId, bot) {
    this.chatId = chatId;
    this.personId = personId;
    this.bot = bot;
    this.composer.open(`${bot.id}:${chatId}${chatId < 0 ? `:${personId}` : ""}`);
    this.#redraw();
  }

  // What a MessageView asks.

  isOwn(message) {
    return message.from?.id === this.personId;
  }

  inGroup() {
    return this.chatId < 0;
  }

  find(messageId) {
    return this.#store.get(this.chatId, messageId);
  }

  fallbackFocus() {
    return this.#parts.text;
  }

  show(messageId) {
    if (!this.log.show(messageId)) toast("That message was deleted.");
  }

  command(text) {
    this.send(text);
  }

  reply(message) {
    this.composer.reply(message);
  }

  edit(message) {
    this.composer.edit(message);
  }

  /** What the buttons under `message` do. */
  actions(message) {
    return {
      press: (data, node) => this.#try(() => whileBusy(node, () => this.#press(message, data))),
      pay: (node, link) => this.#try(() => whileBusy(node, () => this.#pay(message, link))),
      copy: (text) =>
        navigator.clipboard.writeText(text).then(
          () => toast("Copied"),
          () => toast("The browser did not allow copying.", { kind: "bad" }),
        ),
      type: (query) => this.composer.fill(query),
    };
  }

  /** Say something as the chat's person; true when the sandbox took it. It appears by its event, as everything does. */
  send(text, replyTo) {
    return this.#try(() => this.#say({ text, reply_to_message_id: replyTo?.message_id }));
  }

  #say(body) {
    return this.#api.post(`chats/${this.chatId}/messages`, { from_id: this.personId, ...body });
  }

  #attach(file, caption) {
    const kind = ["image", "audio", "video"].find((word) => file.type.startsWith(`${word}/`));
    return this.#try(async () =>
      this.#api.post(`chats/${this.chatId}/files`, {
        from_id: this.personId,
        kind: { image: "photo", audio: "audio", video: "video" }[kind] ?? "document",
        file_name: file.name,
        mime_type: file.type || "application/octet-stream",
        content_base64: await base64(file),
        caption: caption || undefined,
      })
    );
  }

  async #press(message, data) {
    const { callback_query_id: id } = await this.#api.post(`chats/${this.chatId}/press`, {
      from_id: this.personId,
      message_id: message.message_id,
      data,
    });
    const deadline = performance.now() + ANSWER_SECONDS * 1000;
    let wait = 60;
    for (;;) {
      const answer = await this.#api.get(`callbacks/${id}`);
      if (answer.answered) {
        await this.#tell(answer);
        return;
      }
      if (performance.now() > deadline) {
        toast("The bot has not answered that button.", { kind: "bad" });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 1.5, 800);
    }
  }

  async #tell({ text, show_alert: alert, url }) {
    if (text && alert) ask({ title: this.bot.first_name, text });
    else if (text) toast(text);
    if (url && (await ask({ title: "Open a page?", text: url, confirm: "Open", cancel: "Not now" }))) {
      open(url, "_blank", "noopener");
    }
  }

  async #pay(message, link) {
    const invoice = message.invoice;
    const what = invoice
      ? `${invoice.title}, ${price(invoice.total_amount, invoice.currency)}`
      : "What this button's invoice names";
    const agreed = await ask({
      title: "Pay with pretended Stars?",
      text: `${what}. You have ${this.stars.toLocaleString("en")} ⭐; no money moves in the sandbox.`,
      confirm: "Pay",
      cancel: "Not now",
    });
    if (!agreed) return;
    const target = link ? { invoice_link: link } : { message_id: message.message_id };
    const result = await this.#api.post(`chats/${this.chatId}/pay`, { from_id: this.personId, ...target });
    document.dispatchEvent(new CustomEvent("money"));
    if (result.paid) toast("Paid");
    else ask({ title: "Not paid", text: result.error_message });
  }

  /** What one can do about a subscription: what Telegram does at the end of a period, and what its user may do. */
  subscription(chargeId, what) {
    return this.#try(async () => {
      if (what === "renew") await this.#api.post(`payments/${chargeId}/renew`, {});
      else await this.#api.post(`payments/${chargeId}/subscription`, { canceled: what === "cancel" });
      document.dispatchEvent(new CustomEvent("money"));
      toast({ renew: "Renewed", cancel: "Cancelled: it ends with the period", resume: "It goes on" }[what]);
    });
  }

  async #commands() {
    try {
      return (await this.#api.get(`chats/${this.chatId}/commands`, { from_id: this.personId })).commands;
    } catch (error) {
      if (error instanceof ApiError) return []; // only suggestions are missing; a send would say what is wrong
      throw error;
    }
  }

  /** Run a call and say in place why it failed. True when it did not. */
  async #try(call) {
    try {
      await call();
      this.composer.fail(null);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.composer.fail(error.message);
      return false;
    }
  }

  #redraw() {
    this.log.replace(this.#store.messages(this.chatId));
    this.#after(() => {});
  }

  /** Change the log, then what depends on the whole of it: the hint and the reply keyboard. */
  #after(change) {
    change();
    const empty = this.#store.last(this.chatId) === null;
    if (empty && this.#parts.hint.dataset.for !== String(this.bot.id)) {
      drawHint(this.#parts.hint, this.bot, (text) => this.send(text));
    }
    this.#parts.hint.dataset.for = empty ? this.bot.id : "";
    this.#parts.hint.hidden = !empty;
    this.#drawReplyKeyboard();
  }

  #drawReplyKeyboard() {
    const markup = replyKeyboardOf(this.#store.messages(this.chatId));
    const key = JSON.stringify(markup);
    const node = this.#parts.replyKeyboard;
    node.hidden = !markup || this.#usedKeyboard === key;
    if (node.hidden || node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...replyKeyboard(markup, (text) => {
      if (markup.one_time_keyboard) this.#usedKeyboard = key;
      this.send(text);
    }));
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new ApiError(0, `${file.name} could not be read.`));
    reader.readAsDataURL(file);
  });
}
