// What the bot says it is doing, chat by chat, for as long as that holds.

const SECONDS = 5; // how long Telegram shows a chat action (Bot API, sendChatAction)
const WORDS = {
  typing: "typing",
  upload_photo: "sending a photo",
  upload_video: "sending a video",
  record_video: "recording a video",
  upload_voice: "sending audio",
  record_voice: "recording audio",
  upload_document: "sending a file",
  choose_sticker: "choosing a sticker",
};

/** Emits "change" when something begins or has passed. */
export class Actions extends EventTarget {
  #chats = new Map(); // chat id -> {words, until}

  /** The bot does something in a chat. */
  begin(chatId, action) {
    const words = WORDS[action] ?? action.replaceAll("_", " ");
    this.#chats.set(chatId, { words, until: performance.now() + SECONDS * 1000 });
    setTimeout(() => this.#changed(), SECONDS * 1000 + 50);
    this.#changed();
  }

  /** A message came: what was announced is done. */
  end(chatId) {
    if (this.#chats.delete(chatId)) this.#changed();
  }

  /** "typing", or null when the bot does nothing there. */
  words(chatId) {
    const action = this.#chats.get(chatId);
    return action && action.until > performance.now() ? action.words : null;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
