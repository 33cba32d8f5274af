// Keeps a Store equal to the sandbox: server-sent events, and a whole re-read each time the stream is opened again.

import { ApiError } from "/page/state/api.js";
import { botOf, chatIds } from "/page/state/state.js";

const AGAIN_SECONDS = 1.5;

/**
 * Emits "state" (detail: the answer of /sandbox/state), "status" (detail: status, which is "waiting" for a bot,
 * "online" or "reconnecting", and why in words), "action" (detail: chat_id, action) and "block" (chat_id, blocked).
 */
export class Live extends EventTarget {
  #api;
  #store;
  #stream = null;
  #held = null; // events that came while a re-read was under way: newer than its answer, so applied after it
  #round = 0;

  constructor(api, store) {
    super();
    this.#api = api;
    this.#store = store;
  }

  /** Connect, and stay connected until `stop`. */
  start() {
    const round = ++this.#round;
    this.#stream?.close();
    this.#held = [];
    const stream = new EventSource(this.#api.path("events"));
    this.#stream = stream;
    for (const type of ["message", "edit", "delete", "action", "block"]) {
      stream.addEventListener(type, (event) => this.#take(type, JSON.parse(event.data)));
    }
    stream.onopen = () => this.#sync(round);
    stream.onerror = () => this.#lost(round);
  }

  stop() {
    this.#round += 1;
    this.#stream?.close();
  }

  /** Read /sandbox/state anew, for example after a user was added. */
  async refresh() {
    const state = await this.#api.get("state");
    this.#emit("state", state);
    return state;
  }

  async #sync(round) {
    try {
      const state = await this.#api.get("state");
      if (round !== this.#round) return;
      if (!botOf(state, this.#api.token)) {
        this.#later(round, "waiting");
        return;
      }
      for (const id of chatIds(state)) {
        const { messages } = await this.#api.get(`chats/${id}/messages`, { after: 0 });
        if (round !== this.#round) return;
        this.#store.reconcile(id, messages);
      }
      this.#emit("state", state);
      const held = this.#held;
      this.#held = null;
      for (const [type, data] of held) this.#apply(type, data);
      this.#emit("status", { status: "online", why: "" });
    } catch (error) {
      this.#failed(round, error);
    }
  }

  /** An EventSource does not say why it failed; /sandbox/state does. */
  async #lost(round) {
    if (round !== this.#round) return;
    this.#stream.close();
    try {
      const state = await this.#api.get("state");
      this.#later(round, botOf(state, this.#api.token) ? "reconnecting" : "waiting");
    } catch (error) {
      this.#failed(round, error);
    }
  }

  #failed(round, error) {
    if (!(error instanceof ApiError)) throw error;
    this.#later(round, error.status === 409 ? "waiting" : "reconnecting", error.message);
  }

  #later(round, status, why = "The connection was lost.") {
    if (round !== this.#round) return;
    this.#stream.close();
    this.#emit("status", { status, why });
    setTimeout(() => round === this.#round && this.start(), AGAIN_SECONDS * 1000);
  }

  #take(type, data) {
    if (this.#held) this.#held.push([type, data]);
    else this.#apply(type, data);
  }

  #apply(type, data) {
    if (type === "message" || type === "edit") this.#store.put(data.chat_id, data.message);
    else if (type === "delete") this.#store.remove(data.chat_id, data.message_id);
    else this.#emit(type, data);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
