// A text with a bar over each token: how much it surprised the model.

import { h, percent, spoken, visible } from "./dom.js";
import { stepOf } from "./colours.js";

const TALLEST = 12; // bits that a bar shows in full

export function drawLoss(place, lead, scored) {
  const hardest = [...scored.tokens].sort((a, b) => b.surprise - a.surprise).slice(0, 3);
  lead.replaceChildren(
    h("b", {}, scored.bits_per_byte === null ? "–" : scored.bits_per_byte.toFixed(2)), " bits per byte, ",
    h("b", {}, scored.loss.toFixed(2)), " nats a token, perplexity ",
    h("b", {}, scored.perplexity < 1000 ? scored.perplexity.toFixed(1) : scored.perplexity.toExponential(1)),
    `. The taller the bar over a word, the less the model had expected it. Most of all: ${
      [...new Set(hardest.map((token) => `“${visible(token)}”`))].join(", ")}.`);
  const detail = h("p", { class: "hint detail", "aria-live": "polite" }, "Point at a word to see what was expected.");
  const text = h("div", { class: "bars-text", role: "group", "aria-label": "The text, word by word" });
  const cells = scored.tokens.map((token, place) => cell(token, place, detail));
  for (const made of cells) text.append(...made);
  text.addEventListener("keydown", (event) => move(event, text));
  place.replaceChildren(text, detail);
}

function cell(token, place, detail) {
  const bar = h("span", { class: "bar-over", "aria-hidden": "true" });
  bar.style.height = `${(100 * Math.min(token.surprise, TALLEST)) / TALLEST}%`;
  const figures = `${percent(token.probability)}, ${token.surprise.toFixed(1)} bits`;
  const label = `${spoken(token)}: ${figures}`;
  const element = h("span", { class: `bar-word h${stepOf(token.probability, "surprise")}`, role: "img",
    tabindex: place === 0 ? 0 : -1, "aria-label": label },
    h("span", { class: "bar-track", "aria-hidden": "true" }, bar),
    h("span", { class: "bar-label", "aria-hidden": "true" }, token.text.replace(/\n/g, "↵") || "▯"));
  const tell = () => {
    const others = token.alternatives.slice(0, 4)
      .map((other) => `“${visible(other)}” ${percent(other.probability)}`).join(", ");
    detail.textContent = `“${visible(token)}”: ${figures} of surprise. Expected: ${others}.`;
  };
  element.addEventListener("pointerenter", tell);
  element.addEventListener("focus", tell);
  return /\n$/.test(token.text) ? [element, h("span", { class: "line-end" })] : [element];
}

function move(event, text) {
  const words = [...text.querySelectorAll(".bar-word")];
  const at = words.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: words.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  words[at].tabIndex = -1;
  const next = words[Math.max(0, Math.min(to, words.length - 1))];
  next.tabIndex = 0;
  next.focus();
}
