// The logit lens as a table: one row per layer from the bottom up, one column per token.

import { h, percent, spokenToken, tokenText } from "./dom.js";

export function drawLens(container, lens) {
  const detail = h("p", { class: "hint detail", "aria-live": "polite" }, "Choose a guess to see the alternatives.");
  const rows = [...lens.depths].reverse().map((depth) => row(lens, depth, detail));
  const inputs = lens.tokens.map((token) =>
    h("th", { scope: "col" }, token.kind === "end" ? "⊢" : tokenText(token)));
  const table = h("table", { class: "lens" },
    h("caption", { class: "visually-hidden" }, "The most likely next token after each layer, for each token of the text"),
    h("tbody", {}, ...rows),
    h("tfoot", {},
      h("tr", { class: "actual" }, h("th", { scope: "row" }, "actual next"), ...lens.tokens.map((token, index) =>
        h("td", {}, index + 1 < lens.tokens.length ? tokenText(lens.tokens[index + 1]) : "?"))),
      h("tr", {}, h("th", { scope: "row" }, "input"), ...inputs)));
  table.addEventListener("keydown", (event) => move(event, table));
  const scroller = h("div", { class: "scroller", tabindex: -1 }, table);
  container.replaceChildren(scroller, detail, summary(lens));
}

function row(lens, depth, detail) {
  const name = depth.depth === 0 ? "embedding" : `layer ${depth.depth}`;
  return h("tr", {}, h("th", { scope: "row" }, name), ...depth.guesses.map((guess, index) => {
    const [best] = guess.candidates;
    const isCorrect = guess.next_rank === 0;
    const input = lens.tokens[index].kind === "end" ? "start of text" : spokenToken(lens.tokens[index]);
    const button = h("button", { type: "button", tabindex: depth.depth === 1 && index === 0 ? 0 : -1,
      class: isCorrect ? "guess correct" : "guess",
      "aria-label": `${name}, after ${input}: ${spokenToken(best)}, ${percent(best.probability)}${
        isCorrect ? ", correct" : ""}` }, tokenText(best));
    button.style.setProperty("--probability", best.probability.toFixed(3));
    const showDetail = () => {
      const actual = guess.next_probability === null ? ""
        : ` Actual next token: “${tokenText(lens.tokens[index + 1])}” ${percent(guess.next_probability)}.`;
      detail.textContent = `${depth.depth === 0 ? "After the embedding" : `After ${name}`}: ${
        guess.candidates.map((one) => `“${tokenText(one)}” ${percent(one.probability)}`).join(", ")}.${actual}`;
    };
    button.addEventListener("pointerenter", showDetail);
    button.addEventListener("focus", showDetail);
    return h("td", {}, button);
  }));
}

function summary(lens) {
  const known = lens.depths.filter((depth) => depth.surprisal !== null);
  if (!known.length) return "";
  return h("p", { class: "hint" }, `Mean surprisal of the actual next token, from the embedding to the last layer: ${
    known.map((depth) => depth.surprisal.toFixed(1)).join(" → ")} bits.`);
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
