// What the address and the browser remember: ?token= names the bot, #ID,ID:PERSON the chats that are open.

/** The bot's token from the address, or null. */
export function tokenInAddress() {
  return new URLSearchParams(location.search).get("token");
}

/**
 * The chats in the address's hash, else those open last time, as [{chatId, personId}]; personId is who speaks in a
 * group, or null. Empty when nothing is remembered.
 */
export function rememberedPanes() {
  const one = /^(-?\d+)(?::(\d+))?$/;
  for (const text of [location.hash.slice(1), read("chat")]) {
    const found = text.split(",").map((part) => one.exec(part));
    if (found.every(Boolean)) {
      return found.map(([, chatId, personId]) => ({
        chatId: Number(chatId),
        personId: personId ? Number(personId) : null,
      }));
    }
  }
  return [];
}

/** Remember the open chats in the address and for the next visit. */
export function rememberPanes(panes) {
  const text = panes.map(({ chatId, personId }) => (chatId < 0 ? `${chatId}:${personId}` : String(chatId))).join(",");
  write("chat", text);
  if (location.hash !== `#${text}`) history.replaceState(null, "", `#${text}`);
}

/** Which pane had the focus in this window, counted from 0. */
export function rememberedFocus() {
  return Number(sessionStorage.getItem("sandbox:focus"));
}

export function rememberFocus(index) {
  sessionStorage.setItem("sandbox:focus", String(index));
}

/** A remembered string, "" when there is none. */
export function read(key) {
  return localStorage.getItem(`sandbox:${key}`) ?? "";
}

/** Remember a string; an empty one is forgotten. */
export function write(key, value) {
  if (value) localStorage.setItem(`sandbox:${key}`, value);
  else localStorage.removeItem(`sandbox:${key}`);
}
