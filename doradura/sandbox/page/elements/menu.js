// A menu that opens at a button: arrow keys, Escape, a press elsewhere (WAI-ARIA Authoring Practices, menu button).

import { el } from "/page/elements/dom.js";

/** `items()` gives [{label, act, danger?}] anew each time the menu opens; `signal` ends it. */
export function menuButton(button, menu, items, signal) {
  const close = () => {
    menu.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  const open = () => {
    menu.replaceChildren(
      ...items().map(({ label, act, danger }) =>
        el("button", {
          type: "button",
          role: "menuitem",
          tabindex: -1,
          class: danger ? "danger" : null,
          on: {
            click: () => {
              close();
              button.focus();
              act();
            },
          },
        }, label)
      ),
    );
    menu.hidden = false;
    button.setAttribute("aria-expanded", "true");
    menu.firstElementChild.focus();
  };
  button.addEventListener("click", () => (menu.hidden ? open() : close()));
  menu.addEventListener("keydown", (event) => {
    const rows = [...menu.children];
    const at = rows.indexOf(document.activeElement);
    const to = {
      ArrowDown: (at + 1) % rows.length,
      ArrowUp: (at - 1 + rows.length) % rows.length,
      Home: 0,
      End: rows.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      rows[to].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      close();
      button.focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target) && !button.contains(event.target)) close();
  }, { signal });
}
