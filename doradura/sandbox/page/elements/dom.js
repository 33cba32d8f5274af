// Building elements. Text only ever goes in as text nodes: no function here parses HTML, so what a bot or a web page
// wrote cannot become markup.

/**
 * A new element. `attributes` are set as attributes, except `class`, `on` (listeners by event name) and values
 * of false, null or undefined, which are left out. Children are nodes or strings.
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SHAPES = {
  send: "M3.5 20.5 21 12 3.5 3.5l2.7 7.2L15 12l-8.8 1.3z",
  plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  dots: "M12 4a2 2 0 1 1 0 4 2 2 0 0 1 0-4zm0 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4zm0 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  down: "M12 16.2 4.8 9l1.5-1.5 5.7 5.7 5.7-5.7L19.2 9z",
  up: "M12 7.8 19.2 15l-1.5 1.5-5.7-5.7-5.7 5.7L4.8 15z",
  group: "M9 11a3.5 3.5 0 1 1 0-7 3.5 3.5 0 0 1 0 7zm7.5 0a3 3 0 1 1 0-6 3 3 0 0 1 0 6zM2 19c0-3.5 3-6 7-6s7 2.5 7 6v1H2zm16 1v-1c0-2-.7-3.7-1.9-5h.4c3.2 0 5.5 2 5.5 5v1z",
  close: "m6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6L17.6 19 12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z",
  play: "M8 4.8v14.4L19.5 12z",
  pause: "M7 5h3.5v14H7zm6.5 0H17v14h-3.5z",
  file: "M6 2h8l5 5v13a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm7 2v4h4z",
  download: "M11 4h2v8.2l3.3-3.3 1.4 1.4L12 16l-5.7-5.7 1.4-1.4 3.3 3.3zM5 18h14v2H5z",
  reply: "M10 6v4c6 .4 9.5 3.6 11 9-2.5-3.3-6-4.7-11-4.7V18.5L3 12.2z",
  edit: "m4 16.5 9.8-9.8 3.5 3.5L7.5 20H4zM15.2 5.3l1.7-1.7 3.5 3.5-1.7 1.7z",
  out: "M7 7h10v10h-2V10.4L7.7 17.7 6.3 16.3 13.6 9H7z",
  beside: "M4 4h16a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zm1 2v12h6V6zm8 0v12h6V6z",
  slash: "M4 3h16a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zm1 2v14h14V5zm7.9 2h2.2l-4 10H8.9z",
  copy: "M8 3h11v13h-2V5H8zM5 7h10v14H5z",
};

/** A 24 x 24 drawing, hidden from screen readers: the words are on the control it stands in. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** Draw the icons that the page's own HTML asks for by data-icon. */
export function drawIcons(root) {
  for (const node of root.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
}

/** Put a User's or Chat's initials and colour into `node`, the class "avatar" included. */
export function paintAvatar(node, peer) {
  const name = displayName(peer);
  const initials = name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  node.className = `avatar tint-${Math.abs(Math.floor(peer.id / 1000)) % 6}`;
  node.replaceChildren(initials || "?");
}

/** The name a User or Chat goes by. */
export function displayName(peer) {
  if (!peer) return "Someone";
  return peer.title ?? [peer.first_name, peer.last_name].filter(Boolean).join(" ") ?? String(peer.id);
}
