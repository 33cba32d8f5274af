// The bot's commands, for suggestions while "/" is typed.

/**
 * The commands that a chat sees, as [{command, description}], out of the bot's own setMyCommands and deleteMyCommands
 * calls (the sandbox's human side has no call for them). A scope for this chat goes before all private chats, and that before the default
 * (Bot API, BotCommandScope).
 */
export function commandsFor(calls, chatId) {
  const found = new Map();
  for (const { method, params, status } of calls) {
    const name = method?.toLowerCase();
    if (!["setmycommands", "deletemycommands"].includes(name) || status !== 200 || params.language_code) continue;
    const scope = parsed(params.scope) ?? { type: "default" };
    const key = scope.type === "chat" ? `chat ${scope.chat_id}` : scope.type;
    if (name === "deletemycommands") found.delete(key);
    else found.set(key, parsed(params.commands) ?? []);
  }
  const group = chatId < 0 ? "all_group_chats" : "all_private_chats";
  return found.get(`chat ${chatId}`) ?? found.get(group) ?? found.get("default") ?? [];
}

/** Parameters are kept as on the wire: JSON in a string when they came in a form. */
function parsed(value) {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The commands that `text` could become: none unless it is a slash and letters only. */
export function matching(commands, text) {
  const typed = /^\/([a-z0-9_]*)$/i.exec(text);
  if (!typed) return [];
  return commands.filter(({ command }) => command.startsWith(typed[1].toLowerCase()));
}
