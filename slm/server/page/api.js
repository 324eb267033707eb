// Talking to the server: JSON, and streams of events.

import { byId } from "./dom.js";
import { forNow } from "./stored.js";

/** An answer that is an error, in the server's words. */
export class Refused extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let key = forNow.get("key") ?? "";
let asking = null;

/** The parsed answer to a question; without a body it is a GET. */
export async function ask(path, body, signal) {
  return (await request(path, body, signal)).json();
}

/** The events of a stream, each parsed, until it ends with [DONE]. */
export async function* events(path, body, signal) {
  const response = await request(path, body, signal);
  let rest = "";
  let ended = false;
  for await (const piece of pieces(response.body)) {
    const blocks = (rest + piece).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart()).join("\n");
      ended ||= data === "[DONE]"; // and the server closes; to leave at once would look like an abort
      if (!data || ended) continue; // without data, it is a comment that keeps the connection alive
      const event = JSON.parse(data);
      if (event.error) throw new Refused(500, event.error.message);
      yield event;
    }
  }
}

/** The text of a stream in pieces of whole characters; a listener that leaves ends the stream. */
async function* pieces(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let isDone = false;
  try {
    while (!isDone) {
      const { done, value } = await reader.read();
      isDone = done;
      yield decoder.decode(value, { stream: !done });
    }
  } finally {
    if (!isDone) reader.cancel().catch(() => {});
  }
}

async function request(path, body, signal) {
  for (;;) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers.Authorization = `Bearer ${key}`;
    const response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    if (response.ok) return response;
    if (response.status === 401) {
      await (asking ??= askForKey());
      asking = null;
      continue;
    }
    throw new Refused(response.status, await reason(response),
      Number(response.headers.get("Retry-After") ?? 0));
  }
}

async function reason(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

function askForKey() {
  const dialog = byId("key-dialog");
  byId("key").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      key = byId("key").value;
      forNow.set("key", key);
      resolve();
    }, { once: true });
  });
}
