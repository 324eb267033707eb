// The logit lens as a table: layers from below, tokens from the left.

import { h, percent, spoken, visible } from "./dom.js";

export function drawLens(place, lens) {
  const detail = h("p", { class: "hint detail", "aria-live": "polite" }, "Choose a guess to see what else was in mind.");
  const rows = [...lens.depths].reverse().map((depth) => row(lens, depth, detail));
  const heads = lens.tokens.map((token) =>
    h("th", { scope: "col" }, token.kind === "end" ? "⊢" : visible(token)));
  const table = h("table", { class: "lens" },
    h("caption", { class: "unseen" }, "The likeliest next token after each layer, for every token of the text"),
    h("tbody", {}, ...rows),
    h("tfoot", {},
      h("tr", { class: "truth" }, h("th", { scope: "row" }, "comes"), ...lens.tokens.map((token, at) =>
        h("td", {}, at + 1 < lens.tokens.length ? visible(lens.tokens[at + 1]) : "?"))),
      h("tr", {}, h("th", { scope: "row" }, "after"), ...heads)));
  table.addEventListener("keydown", (event) => move(event, table));
  const scroller = h("div", { class: "scroller", tabindex: -1 }, table);
  place.replaceChildren(scroller, detail, summary(lens));
}

function row(lens, depth, detail) {
  const name = depth.depth === 0 ? "at first" : `layer ${depth.depth}`;
  return h("tr", {}, h("th", { scope: "row" }, name), ...depth.guesses.map((guess, at) => {
    const [best] = guess.candidates;
    const right = guess.next_rank === 0;
    const button = h("button", { type: "button", tabindex: depth.depth === 1 && at === 0 ? 0 : -1,
      class: right ? "guess right" : "guess",
      "aria-label": `${name}, after ${lens.tokens[at].kind === "end" ? "the start" : spoken(lens.tokens[at])}: ${
        spoken(best)}, ${percent(best.probability)}${right ? ", right" : ""}` }, visible(best));
    button.style.setProperty("--sure", best.probability.toFixed(3));
    const tell = () => {
      const known = guess.next_probability === null ? ""
        : ` What comes, “${visible(lens.tokens[at + 1])}”, has ${percent(guess.next_probability)}.`;
      detail.textContent = `${name === "at first" ? "Before any layer" : `After ${name}`}: ${
        guess.candidates.map((one) => `“${visible(one)}” ${percent(one.probability)}`).join(", ")}.${known}`;
    };
    button.addEventListener("pointerenter", tell);
    button.addEventListener("focus", tell);
    return h("td", {}, button);
  }));
}

function summary(lens) {
  const known = lens.depths.filter((depth) => depth.surprise !== null);
  if (!known.length) return "";
  return h("p", { class: "hint" }, `Surprise at what comes, layer by layer: ${
    known.map((depth) => depth.surprise.toFixed(1)).join(" → ")} bits a token.`);
}

function move(event, table) {
  const button = event.target.closest(".guess");
  if (!button) return;
  const cell = button.parentElement;
  const line = cell.parentElement;
  const column = [...line.children].indexOf(cell);
  const next = { ArrowRight: () => cell.nextElementSibling, ArrowLeft: () => cell.previousElementSibling,
    ArrowUp: () => line.previousElementSibling?.children[column],
    ArrowDown: () => line.nextElementSibling?.children[column] }[event.key]?.()?.querySelector(".guess");
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  if (!next) return;
  table.querySelectorAll(".guess[tabindex='0']").forEach((other) => { other.tabIndex = -1; });
  next.tabIndex = 0;
  next.focus();
}
