// The longer questions the page asks.

import { displayName } from "/page/elements/dom.js";
import { ask } from "/page/elements/notices.js";

/** A new user's {first_name, language_code?}, or null. */
export async function askForPerson() {
  const name = { name: "first_name", label: "First name", required: true, placeholder: "Dana" };
  const language = {
    name: "language_code",
    label: "Language",
    value: "en",
    pattern: "[a-z]{2}(-[A-Za-z]+)?",
    title: "A code such as en or pt-BR",
  };
  const answer = await ask({
    title: "Add a user",
    text: "They get a chat of their own with the bot.",
    confirm: "Add",
    cancel: "Cancel",
    fields: [name, language],
  });
  return answer && { first_name: answer.first_name.trim(), language_code: answer.language_code || undefined };
}

/** A new group's {title, type, member_ids}, or null; everybody there is becomes a member. */
export async function askForGroup(users) {
  const answer = await ask({
    title: "Add a group",
    text: `The bot and everybody here become members: ${users.map(displayName).join(", ")}.`,
    confirm: "Add",
    cancel: "Cancel",
    fields: [{ name: "title", label: "Title", required: true, placeholder: "Friends" }],
  });
  return answer && { title: answer.title.trim(), type: "group", member_ids: users.map((user) => user.id) };
}

/** A bot's token, or null. The sandbox tells bots apart by their tokens, which it does not give away. */
export async function askForToken(bot) {
  const token = {
    name: "token",
    label: "Token",
    required: true,
    placeholder: `${bot.id}:…`,
    pattern: `${bot.id}:.+`,
    title: `A token that starts with ${bot.id}:`,
  };
  const answer = await ask({
    title: `Talk to ${displayName(bot)}`,
    text: "Each bot has chats of its own, which its token opens.",
    confirm: "Open",
    cancel: "Stay here",
    fields: [token],
  });
  return answer && answer.token;
}
