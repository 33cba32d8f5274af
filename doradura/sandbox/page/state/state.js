// What /sandbox/state says of one bot's world: who there is, which chats, who is in them. Values only.

import { displayName } from "/page/elements/dom.js";

/** What makes somebody one of a group. */
export const INSIDE = ["creator", "administrator", "member", "restricted"];

export class State {
  #answer;

  /** @param {object} answer of /sandbox/state @param {object | null} bot the one that is talked to */
  constructor(answer = { bots: [], users: [], chats: [] }, bot = null) {
    this.#answer = answer;
    this.bot = bot;
  }

  get bots() {
    return this.#answer.bots;
  }

  get users() {
    return this.#answer.users;
  }

  /** Every chat to follow: a private one a user (its id is the user's), and the groups. */
  get chatIds() {
    return chatIds(this.#answer);
  }

  has(chatId) {
    return this.chatIds.includes(chatId);
  }

  user(id) {
    return this.users.find((user) => user.id === id) ?? null;
  }

  /** The group's Chat, or null. */
  group(chatId) {
    return this.#answer.chats.find((chat) => chat.id === chatId && chatId < 0) ?? null;
  }

  /** Whom the list of chats names: a user, or a group. */
  peer(chatId) {
    return this.user(chatId) ?? this.group(chatId);
  }

  /** Who is or was in a group, as [{peer, status}], its creator first; the bot among them. */
  members(chatId) {
    const listed = this.#answer.members?.[chatId] ?? [];
    const peer = (id) => (id === this.bot.id ? this.bot : this.user(id));
    return listed.map(({ user_id: id, status }) => ({ peer: peer(id), status })).filter((member) => member.peer);
  }

  /** The people who can speak in a group. */
  people(chatId) {
    return this.members(chatId)
      .filter(({ peer, status }) => INSIDE.includes(status) && peer.id !== this.bot.id)
      .map(({ peer }) => peer);
  }

  stars(personId) {
    return this.#answer.stars?.[personId];
  }

  /** Whether the bot can't write to a chat: blocked there, or not in the group any more. */
  isShut(chatId) {
    if (chatId > 0) return (this.#answer.blocked_by ?? []).includes(chatId);
    return this.members(chatId).some(({ peer, status }) => peer.id === this.bot.id && !INSIDE.includes(status));
  }

  /** Note that a person blocked the bot, or took it back, before the whole is asked for again. */
  noteBlock(chatId, blocked) {
    const others = (this.#answer.blocked_by ?? []).filter((id) => id !== chatId);
    this.#answer.blocked_by = blocked && chatId > 0 ? [...others, chatId] : others;
  }

  nameOf(chatId) {
    return displayName(this.peer(chatId));
  }
}

/** The bot that is talked to, or null: with a token the one whose id it starts with, else the first that called. */
export function botOf(answer, token) {
  if (!token) return answer.bots[0] ?? null; // the sandbox names its default bot first
  return answer.bots.find((bot) => bot.id === Number(token.split(":")[0])) ?? null;
}

export function chatIds(answer) {
  const ids = new Set(answer.users.map((user) => user.id));
  for (const chat of answer.chats) ids.add(chat.id);
  return [...ids];
}
