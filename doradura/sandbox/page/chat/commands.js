// The bot's commands, for suggestions while "/" is typed.

/** The commands that `text` could become: none unless it is a slash and letters only. */
export function matching(commands, text) {
  const typed = /^\/([a-z0-9_]*)$/i.exec(text);
  if (!typed) return [];
  return commands.filter(({ command }) => command.startsWith(typed[1].toLowerCase()));
}
