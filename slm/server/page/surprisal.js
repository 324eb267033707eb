// A text with a bar over each token that shows the token's surprisal.

import { tintOf } from "./colors.js";
import { h, percent, spokenToken, tokenText } from "./dom.js";

const MAX_BITS = 12; // the surprisal of the tallest bar

export function drawSurprisal(container, lead, scored) {
  const highest = [...scored.tokens].sort((a, b) => b.surprisal - a.surprisal).slice(0, 3);
  lead.replaceChildren(
    h("b", {}, scored.bits_per_byte === null ? "–" : scored.bits_per_byte.toFixed(2)), " bits per byte, ",
    h("b", {}, scored.loss.toFixed(2)), " nats per token, perplexity ",
    h("b", {}, scored.perplexity < 1000 ? scored.perplexity.toFixed(1) : scored.perplexity.toExponential(1)),
    `. The higher the bar over a token, the lower its probability was. Highest: ${
      [...new Set(highest.map((token) => `“${tokenText(token)}”`))].join(", ")}.`);
  const detail = h("p", { class: "hint detail", "aria-live": "polite" },
    "Point at a token to see its probability and the alternatives.");
  const text = h("div", { class: "bars-text", role: "group", "aria-label": "The text, token by token" });
  const cells = scored.tokens.map((token, index) => cell(token, index, detail));
  for (const elements of cells) text.append(...elements);
  text.addEventListener("keydown", (event) => move(event, text));
  container.replaceChildren(text, detail);
}

function cell(token, index, detail) {
  const bar = h("span", { class: "surprisal-bar", "aria-hidden": "true" });
  bar.style.height = `${(100 * Math.min(token.surprisal, MAX_BITS)) / MAX_BITS}%`;
  const figures = `probability ${percent(token.probability)}, surprisal ${token.surprisal.toFixed(1)} bits`;
  const element = h("span", { class: `bar-token tint-${tintOf(token.probability, "surprisal")}`, role: "img",
    tabindex: index === 0 ? 0 : -1, "aria-label": `${spokenToken(token)}: ${figures}` },
    h("span", { class: "bar-track", "aria-hidden": "true" }, bar),
    h("span", { class: "bar-label", "aria-hidden": "true" }, token.text.replace(/\n/g, "↵") || "▯"));
  const showDetail = () => {
    const likeliest = token.alternatives.slice(0, 4)
      .map((other) => `“${tokenText(other)}” ${percent(other.probability)}`).join(", ");
    detail.textContent = `“${tokenText(token)}”: ${figures}. Most likely: ${likeliest}.`;
  };
  element.addEventListener("pointerenter", showDetail);
  element.addEventListener("focus", showDetail);
  return /\n$/.test(token.text) ? [element, h("span", { class: "line-end" })] : [element];
}

function move(event, text) {
  const tokens = [...text.querySelectorAll(".bar-token")];
  const index = tokens.indexOf(document.activeElement);
  const target = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tokens.length - 1 }[event.key];
  if (target === undefined || index < 0) return;
  event.preventDefault();
  tokens[index].tabIndex = -1;
  const next = tokens[Math.max(0, Math.min(target, tokens.length - 1))];
  next.tabIndex = 0;
  next.focus();
}
