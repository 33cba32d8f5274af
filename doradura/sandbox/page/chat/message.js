// One message on the page: its bubble, and how an edit changes it in place.

import { displayName, el, icon } from "/page/elements/dom.js";
import { renderText } from "/page/chat/entities.js";
import { inlineKeyboard } from "/page/chat/keyboard.js";
import { mediaOf } from "/page/chat/media.js";
import { clockTime, dayKey, dayName, fullTime, price } from "/page/elements/words.js";

const GROUP_SECONDS = 300;
const DIRECTED = ["name", "text"]; // whose words run from the right in some languages
const PLAIN_KINDS = ["story", "game", "paid_media"];

/**
 * A message's node and the means to change it. `chat` is what the view asks of the page: isOwn(message), inGroup(),
 * find(id), and the actions command(text), press, pay, copy, type, reply(message), edit(message), show(id).
 */
export class MessageView {
  #chat;
  #mediaKey = null;
  #keysKey = "[]";
  album = null; // the block it stands in, when it was sent as part of one
  #slots;

  constructor(message, chat) {
    this.#chat = chat;
    const names = ["name", "quote", "media", "text", "meta"];
    this.#slots = Object.fromEntries(names.map((name) => [name, el("div", { class: name, dir: DIRECTED.includes(name) ? "auto" : null })]));
    this.#slots.tools = el("div", { class: "tools" });
    this.#slots.keys = el("div", { class: "keys-slot" });
    this.day = el("p", { class: "day" });
    this.bubble = el("div", { class: "bubble" }, names.map((name) => this.#slots[name]));
    const stack = el("div", { class: "stack" }, this.bubble, this.#slots.keys);
    this.article = el("article", { class: "message" }, stack, this.#slots.tools);
    this.node = el("div", { class: "item" }, this.day, this.article);
    this.#draw(message);
  }

  /** Show a later version. An edit is not read out: progress would be, every second. */
  update(message) {
    this.article.setAttribute("aria-live", "off");
    this.#draw(message);
  }

  /** Fit in behind `before` (a message or null): the day's name on its first message, less space within a group. */
  arrange(before) {
    arrange(this, this.message, before);
  }

  #draw(message) {
    this.message = message;
    const service = serviceText(message);
    const own = this.#chat.isOwn(message);
    this.article.className = service ? "message service" : `message ${own ? "own" : "other"}`;
    const sender = own ? "You" : displayName(message.from ?? message.sender_chat);
    this.article.setAttribute("aria-label", `${sender}, ${clockTime(message.date)}`);
    this.article.dataset.id = message.message_id;
    const shown = !own && !service && this.#chat.inGroup();
    fill(this.#slots.name, shown ? displayName(message.from) : null);
    fill(this.#slots.quote, this.#quote(message));
    this.#drawMedia(message);
    fill(this.#slots.text, service ?? this.#words(message));
    fill(this.#slots.meta, service ? null : meta(message));
    this.#drawKeys(message);
    if (message.successful_payment?.is_recurring) this.#subscription(message.successful_payment);
    fill(this.#slots.tools, service ? null : this.#tools(message, own));
    this.bubble.classList.toggle(
      "with-media",
      Boolean(message.photo ?? message.video ?? message.animation ?? message.video_note),
    );
    this.bubble.classList.toggle("no-words", this.#slots.text.childNodes.length === 0);
  }

  #words(message) {
    const command = (text) => this.#chat.command(text);
    const nodes = [];
    if (message.forward_origin) nodes.push(el("p", { class: "note" }, "Forwarded message"));
    if (message.invoice) nodes.push(invoiceNode(message.invoice));
    const text = message.text ?? message.caption;
    if (text) nodes.push(...renderText(text, message.entities ?? message.caption_entities, command));
    if (message.dice) nodes.push(el("p", { class: "dice" }, message.dice.emoji), el("p", { class: "note" }, `It shows ${message.dice.value}.`));
    if (message.contact) nodes.push(...contactNodes(message.contact));
    if (message.venue) nodes.push(el("strong", {}, message.venue.title), el("p", {}, message.venue.address));
    if (message.poll) nodes.push(...pollNodes(message.poll));
    if (message.location) nodes.push(el("p", { class: "note" }, `📍 ${message.location.latitude}, ${message.location.longitude}`));
    const kind = PLAIN_KINDS.find((name) => message[name]);
    if (kind) nodes.push(el("p", { class: "note" }, `A ${kind.replace("_", " ")}: the sandbox does not draw it.`));
    return nodes.length ? nodes : null;
  }

  #quote(message) {
    const to = message.reply_to_message;
    if (!to) return null;
    const current = this.#chat.find(to.message_id) ?? to;
    return el(
      "button",
      { type: "button", class: "quote-button", on: { click: () => this.#chat.show(to.message_id) } },
      el("strong", { dir: "auto" }, this.#chat.isOwn(current) ? "You" : displayName(current.from)),
      el("span", { dir: "auto" }, summary(current)),
    );
  }

  #drawMedia(message) {
    const media = mediaOf(message);
    if ((media?.key ?? null) === this.#mediaKey) return;
    this.#mediaKey = media?.key ?? null;
    fill(this.#slots.media, media?.node());
  }

  #drawKeys(message) {
    const rows = message.reply_markup?.inline_keyboard ?? [];
    const key = JSON.stringify(rows);
    if (key === this.#keysKey) return;
    this.#keysKey = key;
    const slot = this.#slots.keys;
    const focused = [...slot.querySelectorAll(".key")].indexOf(document.activeElement);
    fill(slot, rows.length ? inlineKeyboard(rows, this.#chat.actions(message)) : null);
    if (focused >= 0) {
      const keys = slot.querySelectorAll(".key");
      (keys[Math.min(focused, keys.length - 1)] ?? this.#chat.fallbackFocus()).focus();
    }
  }

  #subscription({ telegram_payment_charge_id: charge }) {
    const act = (what, label) =>
      el("button", { type: "button", class: "key", on: { click: () => this.#chat.subscription(charge, what) } }, label);
    const row = [act("cancel", "Cancel subscription"), act("resume", "Resume"), act("renew", "Next period")];
    fill(this.#slots.keys, el("div", { class: "keys", role: "group", "aria-label": "Subscription" }, el("div", { class: "keys-row" }, row)));
  }

  #tools(message, own) {
    const tool = (name, label, act) =>
      el(
        "button",
        { type: "button", class: "tool", title: label, "aria-label": label, on: { click: act } },
        icon(name),
      );
    return [
      tool("reply", "Reply", () => this.#chat.reply(message)),
      own && message.text !== undefined ? tool("edit", "Edit", () => this.#chat.edit(message)) : null,
    ];
  }
}

/** Let a block (`node` and `day`) that begins with `message` fit in behind `before`. */
export function arrange({ node, day }, message, before) {
  const newDay = !before || dayKey(before.date) !== dayKey(message.date);
  day.hidden = !newDay;
  day.textContent = newDay ? dayName(message.date) : "";
  const follows = !newDay && before.from?.id === message.from?.id && message.date - before.date < GROUP_SECONDS;
  node.classList.toggle("follows", follows && !serviceText(before));
}

/** A message in one line, for a quote or the list of chats. */
export function summary(message) {
  const service = serviceText(message);
  if (service) return service;
  const words = message.text ?? message.caption;
  if (words) return words.replace(/\s+/g, " ").slice(0, 160);
  if (message.audio) return [message.audio.title, message.audio.performer].filter(Boolean).join(" · ") || "Audio";
  if (message.document) return message.document.file_name ?? "File";
  if (message.invoice) return message.invoice.title;
  if (message.dice) return message.dice.emoji;
  if (message.poll) return `📊 ${message.poll.question}`;
  if (message.sticker) return `${message.sticker.emoji ?? ""} Sticker`.trim();
  if (message.contact) return `👤 ${message.contact.first_name}`;
  if (message.venue) return `📍 ${message.venue.title}`;
  if (message.location) return "📍 Location";
  if (message.video_note) return "Video message";
  for (
    const [kind, name] of [["photo", "Photo"], ["video", "Video"], ["voice", "Voice message"], [
      "animation",
      "Animation",
    ]]
  ) {
    if (message[kind]) return name;
  }
  return "Message";
}

/** The line of a message that nobody wrote, or null for an ordinary one. */
export function serviceText(message) {
  const paid = message.successful_payment;
  if (paid) return `Payment of ${price(paid.total_amount, paid.currency)} done`;
  const refunded = message.refunded_payment;
  if (refunded) return `${price(refunded.total_amount, refunded.currency)} refunded`;
  if (message.new_chat_members) return `${message.new_chat_members.map(displayName).join(", ")} joined`;
  if (message.left_chat_member) return `${displayName(message.left_chat_member)} left`;
  if (message.migrate_to_chat_id) return "The group became a supergroup";
  if (message.migrate_from_chat_id) return "This supergroup was a group before";
  if (message.pinned_message) return "A message was pinned";
  if (message.new_chat_title) return `The group is now called ${message.new_chat_title}`;
  if (message.group_chat_created || message.supergroup_chat_created) return "The group was created";
  return null;
}

function meta(message) {
  const time = el(
    "time",
    { datetime: new Date(message.date * 1000).toISOString(), title: fullTime(message.date) },
    clockTime(message.date),
  );
  return [message.edit_date ? el("span", {}, "edited ") : null, time].filter(Boolean);
}

function pollNodes({ question, options, total_voter_count: voters, is_closed: closed }) {
  return [
    el("strong", {}, `📊 ${question}`),
    el("ul", { class: "poll" }, options.map((option) => el("li", {}, `${option.text} · ${option.voter_count}`))),
    el("p", { class: "note" }, `${voters} ${voters === 1 ? "vote" : "votes"}${closed ? ", closed" : ""}`),
  ];
}

function contactNodes({ first_name: first, last_name: last, phone_number: phone }) {
  return [el("strong", {}, `👤 ${[first, last].filter(Boolean).join(" ")}`), el("p", {}, phone)];
}

function invoiceNode(invoice) {
  return el(
    "div",
    { class: "invoice" },
    el("strong", {}, invoice.title),
    el("p", {}, invoice.description),
    el("span", { class: "price" }, price(invoice.total_amount, invoice.currency)),
  );
}

function fill(slot, content) {
  const nodes = (Array.isArray(content) ? content : [content]).filter((node) => node !== null && node !== undefined);
  slot.replaceChildren(...nodes);
  slot.hidden = nodes.length === 0;
}
