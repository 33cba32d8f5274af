// The chat's head: whom one talks to, what they are doing, and whether the connection stands.

import { displayName, paintAvatar } from "/page/dom.js";

const ACTION_SECONDS = 5; // how long Telegram shows a chat action (Bot API, sendChatAction)
const ACTIONS = {
  typing: "typing",
  upload_photo: "sending a photo",
  upload_video: "sending a video",
  record_video: "recording a video",
  upload_voice: "sending audio",
  record_voice: "recording audio",
  upload_document: "sending a file",
  choose_sticker: "choosing a sticker",
};
const part = (id) => document.getElementById(id);

export class Head {
  #redraw;
  #status = "connecting";
  #actions = new Map(); // chat id -> {words, until}

  /** @param {() => void} redraw asked for when something passes by itself; it ends in `draw`. */
  constructor(redraw) {
    this.#redraw = redraw;
  }

  get online() {
    return this.#status === "online";
  }

  /** Note the connection's status ("waiting", "online", "reconnecting") and, when it is lost, why. */
  connected(status, why) {
    this.#status = status;
    part("banner").hidden = status !== "reconnecting";
    part("banner").textContent = `${why} Trying again …`;
  }

  /** The bot says what it is doing. */
  act(chatId, action) {
    const words = ACTIONS[action] ?? action.replaceAll("_", " ");
    this.#actions.set(chatId, { words, until: performance.now() + ACTION_SECONDS * 1000 });
    setTimeout(this.#redraw, ACTION_SECONDS * 1000 + 50);
    this.#redraw();
  }

  /** A message came: what was announced is done. */
  acted(chatId) {
    this.#actions.delete(chatId);
  }

  /** Draw it for a chat; `group` is null in a private one, and `speaker` is who one is. */
  draw({ bot, chatId, group, speaker }) {
    const peer = group ?? bot;
    if (peer) {
      part("bot-name").textContent = displayName(peer);
      paintAvatar(part("bot-avatar"), peer);
    }
    const action = this.#actions.get(chatId);
    const acting = Boolean(action) && action.until > performance.now() && this.online;
    const text = acting ? action.words : this.#words(bot, group, speaker);
    const status = part("bot-status");
    if (status.textContent !== text) status.textContent = text; // it is read out when it changes
    status.className = acting ? "acting" : this.#status;
  }

  #words(bot, group, speaker) {
    if (this.#status === "connecting") return "connecting …";
    if (this.#status === "waiting") return "waiting for the bot";
    if (this.#status === "reconnecting") return "reconnecting …";
    if (group) return `you are ${displayName(speaker)}`;
    return bot.username ? `@${bot.username}` : "bot";
  }
}
