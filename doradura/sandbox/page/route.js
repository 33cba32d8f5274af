// What the address and the browser remember: ?token= names the bot, #ID the chat that is open.

/** The bot's token from the address, or null. */
export function tokenInAddress() {
  return new URLSearchParams(location.search).get("token");
}

/** The chat in the address's hash, else the one open last time, else null. */
export function rememberedChat() {
  const found = /^#(-?\d+)$/.exec(location.hash) ?? /^(-?\d+)$/.exec(read("chat"));
  return found ? Number(found[1]) : null;
}

/** Remember the open chat in the address and for the next visit. */
export function rememberChat(id) {
  write("chat", String(id));
  if (location.hash !== `#${id}`) history.replaceState(null, "", `#${id}`);
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
