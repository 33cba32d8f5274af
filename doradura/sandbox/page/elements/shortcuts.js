// Keys that work anywhere on the page, and the list of them.

import { ask } from "/page/elements/notices.js";

const KEYS = [
  ["Enter", "send; Shift+Enter begins a new line"],
  ["↑ in an empty field", "edit your last message"],
  ["/ or Ctrl+F", "find in this chat"],
  ["Alt+↑, Alt+↓", "the chat above, the chat below"],
  ["Alt+N", "another chat beside this one"],
  ["F6", "from chat to chat, of those side by side"],
  ["Alt+C", "the panel of Bot API calls"],
  ["Tab, Shift+Tab", "from control to control"],
  ["Escape", "close what is open"],
  ["?", "this list"],
];

/** `actions` has find(), step(by), pane(), beside() and calls(). A key that is being typed into a field stays with the field. */
export function listenForShortcuts(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const act = shortcut(event, actions);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Show what the keys do. */
export function showShortcuts() {
  ask({ title: "Keys", text: KEYS.map(([key, what]) => `${key}: ${what}`).join("\n"), confirm: "Close" });
}

function shortcut(event, actions) {
  if (event.altKey && event.key === "ArrowUp") return () => actions.step(-1);
  if (event.altKey && event.key === "ArrowDown") return () => actions.step(1);
  if (event.altKey && event.code === "KeyC") return actions.calls;
  if (event.altKey && event.code === "KeyN") return actions.beside;
  if (event.key === "F6") return actions.pane;
  if (event.ctrlKey && !event.altKey && event.key.toLowerCase() === "f") return actions.find;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return null;
  if (event.key === "/") return actions.find;
  return event.key === "?" ? showShortcuts : null;
}
