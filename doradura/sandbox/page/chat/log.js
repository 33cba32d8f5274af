// The list of messages: order, days, and scrolling that never pulls the reader away from what they read.

import { Album } from "/page/chat/album.js";
import { MessageView } from "/page/chat/message.js";

const NEAR_BOTTOM_PX = 60;

/** Emits "read" when the newest message is in sight. */
export class Log extends EventTarget {
  #scroller;
  #column;
  #jump;
  #chat;
  #views = []; // ascending message_id
  #byId = new Map();
  #albums = new Map(); // media_group_id -> Album
  #sticky = true; // whether the newest message is followed
  #top = 0; // where the reader was at the last scroll event
  #missed = 0;

  constructor({ scroller, column, jump, chat }) {
    super();
    this.#scroller = scroller;
    this.#column = column;
    this.#jump = jump;
    this.#chat = chat;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => {
      this.toBottom({ smooth: true });
      scroller.focus({ preventScroll: true });
    });
    const watcher = new ResizeObserver(() => this.#sticky && this.toBottom());
    watcher.observe(column);
    watcher.observe(scroller);
  }

  get atBottom() {
    return this.#sticky;
  }

  /** Show another chat's messages, from its end. */
  replace(messages) {
    this.#scroller.setAttribute("aria-busy", "true");
    this.#views = messages.map((message) => new MessageView(message, this.#chat));
    this.#byId = new Map(this.#views.map((view) => [view.message.message_id, view]));
    this.#albums = new Map();
    this.#column.replaceChildren();
    this.#views.forEach((view, index) => this.#insert(view, index));
    this.#views.forEach((_, index) => this.#arrangeOne(index));
    this.#scroller.removeAttribute("aria-busy");
    this.toBottom();
  }

  /** Add a message, or show its newer version. */
  put(message) {
    const known = this.#byId.get(message.message_id);
    if (known) {
      known.update(message);
      return;
    }
    let index = this.#views.length;
    while (index > 0 && this.#views[index - 1].message.message_id > message.message_id) index -= 1;
    const view = new MessageView(message, this.#chat);
    view.node.classList.add("arriving");
    this.#views.splice(index, 0, view);
    this.#insert(view, index);
    this.#byId.set(message.message_id, view);
    this.#arrange(index);
    if (this.#chat.isOwn(message)) this.toBottom();
    else if (!this.#sticky) this.#missed += 1;
    this.#drawJump();
  }

  remove(messageId) {
    const view = this.#byId.get(messageId);
    if (!view) return;
    const index = this.#views.indexOf(view);
    if (view.node.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
    this.#views.splice(index, 1);
    if (view.album) view.album.remove(view);
    else view.node.remove();
    if (view.album?.isEmpty) this.#albums.delete(view.message.media_group_id);
    this.#byId.delete(messageId);
    this.#arrange(index);
  }

  /** Bring a message into sight and point at it. False when it is not there. */
  show(messageId) {
    const view = this.#byId.get(messageId);
    if (!view) return false;
    const node = view.album?.node ?? view.node;
    node.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
    node.classList.add("pointed");
    setTimeout(() => node.classList.remove("pointed"), 1600);
    return true;
  }

  toBottom({ smooth = false } = {}) {
    this.#sticky = true;
    this.#missed = 0;
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: smooth && !calm() ? "smooth" : "instant" });
    this.#drawJump();
  }

  #arrange(index) {
    for (const at of [index, index + 1]) if (this.#views[at]) this.#arrangeOne(at);
  }

  #arrangeOne(index) {
    const view = this.#views[index];
    const before = this.#views[index - 1] ?? null;
    if (!view.album) view.arrange(before?.message ?? null);
    else if (view.album !== before?.album) view.album.arrange(before?.message ?? null);
  }

  /** Put the view at `index` into the column, or into the album it belongs to. */
  #insert(view, index) {
    const key = view.message.media_group_id;
    const next = this.#views[index + 1];
    if (!key) {
      this.#column.insertBefore(view.node, block(next));
      return;
    }
    if (!this.#albums.has(key)) {
      const album = new Album();
      this.#albums.set(key, album);
      this.#column.insertBefore(album.node, block(next));
    }
    this.#albums.get(key).put(view);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    // Only a movement upwards is the reader's wish to stay behind: the end also moves away when messages grow or come
    // faster than the scrolling.
    if (scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX) this.#sticky = true;
    else if (scrollTop < this.#top) this.#sticky = false;
    this.#top = scrollTop;
    if (this.#sticky && this.#missed) {
      this.#missed = 0;
      this.dispatchEvent(new Event("read"));
    }
    this.#drawJump();
  }

  #drawJump() {
    this.#jump.hidden = this.#sticky;
    const words = this.#missed === 0 ? "" : this.#missed === 1 ? "1 new message" : `${this.#missed} new messages`;
    this.#jump.querySelector(".jump-text").textContent = words;
    this.#jump.setAttribute("aria-label", words || "To the newest message");
  }
}

/** The node in the column that a view stands in, null for none: it may not be there yet. */
function block(view) {
  const node = view && (view.album?.node ?? view.node);
  return node?.isConnected ? node : null;
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
