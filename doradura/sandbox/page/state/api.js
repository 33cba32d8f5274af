// Calls of the sandbox's human side. Knows URLs and JSON, nothing of the page.

/**
 * The sandbox refused (`status` is HTTP's), or could not be reached (`status` 0). The message can be shown to a person.
 */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  /** @param {string | null} token of the bot to talk to; null means the first that called. */
  constructor(token) {
    this.token = token;
  }

  /** The path of a call on this server, with the bot's token when it is known. */
  path(rest, query = {}) {
    const search = new URLSearchParams(query);
    if (this.token) search.set("token", this.token);
    const tail = search.toString();
    return `/sandbox/${rest}${tail ? `?${tail}` : ""}`;
  }

  async get(rest, query) {
    return (await this.#fetch(this.path(rest, query))).json();
  }

  /** The newest Bot API calls after number `after`, each an object. */
  async requests(after) {
    const lines = await (await this.#fetch(this.path("requests", { after }))).text();
    return lines.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  async post(rest, body) {
    const response = await this.#fetch(this.path(rest), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return response.json();
  }

  async delete(rest) {
    return (await this.#fetch(this.path(rest), { method: "DELETE" })).json();
  }

  async #fetch(path, options) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error instanceof TypeError) throw new ApiError(0, "The sandbox does not answer. Is it still running?");
      throw error;
    }
    if (response.ok) return response;
    throw new ApiError(response.status, await reason(response));
  }
}

async function reason(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error ?? `The sandbox answered ${response.status}.`;
  } catch (error) {
    if (error instanceof SyntaxError) return `The sandbox answered ${response.status}.`;
    throw error;
  }
}
