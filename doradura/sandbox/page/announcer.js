// What a screen reader is told of messages that come: one line for all of a moment, never an edit, never one's own words.

import { displayName } from "/page/elements/dom.js";
import { summary } from "/page/chat/message.js";

const TOGETHER_MS = 700;
const NAMED = 3; // more than these at once are only counted

export class Announcer {
  #node;
  #waiting = [];

  constructor(node) {
    this.#node = node;
  }

  /** Tell of a message; `chat` names the chat it came in when that is not the one in use. */
  say(message, chat) {
    const words = `${displayName(message.from ?? message.sender_chat)}${chat ? ` in ${chat}` : ""}: ${summary(message)}`;
    if (this.#waiting.push(words) === 1) setTimeout(() => this.#tell(), TOGETHER_MS);
  }

  #tell() {
    const lines = this.#waiting.splice(0);
    this.#node.textContent = lines.length > NAMED ? `${lines.length} new messages` : lines.join("\n");
  }
}
