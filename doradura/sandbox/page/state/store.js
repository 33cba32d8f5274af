// The messages of every chat of one bot, as the sandbox last told them. Knows nothing of the page.

/** Emits "put" and "remove" (detail: chatId, message or messageId, fresh) and "replace" (detail: chatId). */
export class Store extends EventTarget {
  #chats = new Map();

  /** Messages of a chat, oldest first. */
  messages(chatId) {
    return [...this.#chat(chatId).values()].sort((a, b) => a.message_id - b.message_id);
  }

  get(chatId, messageId) {
    return this.#chat(chatId).get(messageId) ?? null;
  }

  /** The newest message of a chat, or null. */
  last(chatId) {
    let newest = null;
    for (const message of this.#chat(chatId).values()) {
      if (!newest || message.message_id > newest.message_id) newest = message;
    }
    return newest;
  }

  put(chatId, message) {
    const fresh = !this.#chat(chatId).has(message.message_id);
    this.#chat(chatId).set(message.message_id, message);
    this.#emit("put", { chatId, message, fresh });
  }

  remove(chatId, messageId) {
    if (this.#chat(chatId).delete(messageId)) this.#emit("remove", { chatId, messageId });
  }

  /** Take a chat's whole list: what changed while nobody listened (edits and deletions too) shows as single changes. */
  reconcile(chatId, messages) {
    const known = this.#chat(chatId);
    if (known.size === 0) {
      this.#chats.set(chatId, new Map(messages.map((message) => [message.message_id, message])));
      this.#emit("replace", { chatId });
      return;
    }
    const present = new Set(messages.map((message) => message.message_id));
    for (const id of [...known.keys()]) if (!present.has(id)) this.remove(chatId, id);
    for (const message of messages) {
      const old = known.get(message.message_id);
      if (!old || JSON.stringify(old) !== JSON.stringify(message)) this.put(chatId, message);
    }
  }

  #chat(chatId) {
    if (!this.#chats.has(chatId)) this.#chats.set(chatId, new Map());
    return this.#chats.get(chatId);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
