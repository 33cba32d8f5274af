// The chat's head: whom one talks to and as whom, what the bot is doing, and whether the connection stands.

import { displayName, paintAvatar } from "/page/elements/dom.js";

export class Head {
  #parts;
  #status = "connecting";

  constructor(parts) {
    this.#parts = parts;
  }

  /** Note the connection's status: "waiting", "online" or "reconnecting". */
  connected(status) {
    this.#status = status;
  }

  /** `group` is null in a private chat, `speaker` is who one is, `action` what the bot does, or null. */
  draw({ bot, group, speaker, action }) {
    const { botName, botAvatar, botStatus } = this.#parts;
    const peer = group ?? bot;
    if (peer) {
      botName.textContent = displayName(peer);
      paintAvatar(botAvatar, peer);
    }
    const acting = action && this.#status === "online";
    const text = acting ? action : this.#words(bot, group, speaker);
    if (botStatus.textContent !== text) botStatus.textContent = text; // it is read out when it changes
    botStatus.className = acting ? "acting" : this.#status;
  }

  #words(bot, group, speaker) {
    if (this.#status === "connecting") return "connecting …";
    if (this.#status === "waiting") return "waiting for the bot";
    if (this.#status === "reconnecting") return "reconnecting …";
    if (!speaker) return "";
    const you = `you are ${displayName(speaker)}`;
    return group || !bot.username ? you : `${you} · @${bot.username}`;
  }
}
