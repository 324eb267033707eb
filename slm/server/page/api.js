// Requests to the server: JSON and event streams.

import { byId } from "./dom.js";
import { session } from "./storage.js";

/** An error response, with the server's message. */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let key = session.get("key") ?? "";
let keyPrompt = null;

/** The parsed JSON response; a GET without a body, a POST with one. */
export async function requestJson(path, body, signal) {
  return (await request(path, body, signal)).json();
}

/** The parsed events of a stream, until it ends with [DONE]. */
export async function* requestEvents(path, body, signal) {
  const response = await request(path, body, signal);
  let rest = "";
  let isDone = false;
  for await (const chunk of decodedChunks(response.body)) {
    const blocks = (rest + chunk).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart()).join("\n");
      isDone ||= data === "[DONE]"; // read on until the server closes: returning now would look like an abort
      if (!data || isDone) continue; // a block without data is a comment that keeps the connection alive
      const event = JSON.parse(data);
      if (event.error) throw new RequestError(500, event.error.message);
      yield event;
    }
  }
}

/** The text of a stream in chunks of whole characters; leaving the loop cancels the stream. */
async function* decodedChunks(stream) {
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
    if (key) headers.Authorization = `Bearer ${byteString(key)}`;
    const response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    if (response.ok) return response;
    if (response.status === 401) {
      await (keyPrompt ??= promptForKey());
      keyPrompt = null;
      continue;
    }
    throw new RequestError(response.status, await messageOf(response));
  }
}

/** The UTF-8 bytes of a text as characters: a header can have no others. */
const byteString = (text) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");

async function messageOf(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server responded with status ${response.status}`;
  }
}

function promptForKey() {
  const dialog = byId("key-dialog");
  byId("key").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      key = byId("key").value;
      session.set("key", key);
      resolve();
    }, { once: true });
  });
}
