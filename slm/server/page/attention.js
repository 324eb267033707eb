// Attention: a picture of every head's weights, and the text with the weights of the chosen head.

import { requestJson } from "./api.js";
import { showError } from "./announce.js";
import { h, percent, spokenToken, tokenText } from "./dom.js";

const PICTURE_SIZE = 96; // pixels
const LISTED = 4; // of the strongest weights
const MIN_LISTED = 0.005;

export class Attention {
  constructor(container) {
    this.container = container;
    this.layers = [];
    this.chosen = { layer: 0, head: 0 };
    this.query = null; // the position whose weights are shown
    document.addEventListener("theme", () => this.repaint());
  }

  /** Show every head for these ids, one layer after the other. */
  async inspect(model, ids) {
    const request = (this.request = {});
    this.layers = [];
    for (let layer = 0; ; layer += 1) {
      let answer;
      try {
        answer = await requestJson("/insight/attention", { model, ids, layers: [layer] });
      } catch (error) {
        if (this.request === request) showError(error);
        return;
      }
      if (this.request !== request) return; // another text was submitted
      this.layers.push(answer.layers[0]);
      if (layer === 0) this.start(answer);
      this.addLayer(answer.layers[0]);
      if (layer + 1 >= answer.n_layer) break;
    }
    this.choose(this.mostInformative());
  }

  start(answer) {
    this.tokens = answer.tokens;
    this.query = Math.min(answer.tokens.length - 1, Math.max(1, Math.round(answer.tokens.length * 0.6)));
    this.grid = h("div", { class: "heads", role: "radiogroup", "aria-label": "Attention heads" });
    this.grid.style.setProperty("--heads", answer.n_head);
    this.title = h("h3", { class: "head-title" });
    this.statistics = h("p", { class: "hint" });
    this.text = h("p", { class: "attended", role: "group",
      "aria-label": "The text; choose a token to see its attention weights" });
    this.detail = h("p", { class: "hint detail", "aria-live": "polite" });
    this.spans = this.tokens.map((token, position) => this.makeSpan(token, position));
    this.text.append(...this.spans);
    this.text.addEventListener("keydown", (event) => this.moveToken(event));
    this.grid.addEventListener("keydown", (event) => this.moveHead(event));
    this.container.replaceChildren(h("div", { class: "attention" }, this.grid,
      h("div", { class: "head-detail" }, this.title, this.statistics, this.text, this.detail)));
    this.pictures = [];
  }

  makeSpan(token, position) {
    const text = token.kind === "end" ? "⊢ " : token.text.replace(/\n/g, "↵\n") || "▯";
    return h("span", { class: "attended-token", role: "button", tabindex: position === this.query ? 0 : -1,
      "aria-label": token.kind === "end" ? "start of text" : spokenToken(token),
      onpointerenter: () => this.showWeights(position), onfocus: () => this.showWeights(position),
      onclick: () => this.spans[position].focus() }, text);
  }

  addLayer(layer) {
    this.grid.append(h("span", { class: "layer-name", "aria-hidden": "true" }, `${layer.layer + 1}`));
    layer.heads.forEach((weights, head) => {
      const canvas = h("canvas", { width: PICTURE_SIZE, height: PICTURE_SIZE, "aria-hidden": "true" });
      const at = { layer: layer.layer, head };
      const button = h("button", { type: "button", class: "head", role: "radio", tabindex: -1,
        "aria-label": `Layer ${layer.layer + 1}, head ${head + 1}: ${describe(layer.statistics[head])}`,
        onclick: () => this.choose(at) }, canvas);
      this.pictures.push({ ...at, canvas, button, weights });
      this.grid.append(button);
      paintWeights(canvas, weights);
    });
  }

  repaint() {
    this.pictures?.forEach(({ canvas, weights }) => paintWeights(canvas, weights));
  }

  /** The head that attends most to the previous token and least to the start of the text. */
  mostInformative() {
    const score = ({ layer, head }) => {
      const statistics = this.layers[layer].statistics[head];
      return statistics.previous - statistics.start;
    };
    return [...this.pictures].sort((a, b) => score(b) - score(a))[0];
  }

  choose({ layer, head }) {
    this.chosen = { layer, head };
    for (const picture of this.pictures) {
      const on = picture.layer === layer && picture.head === head;
      picture.button.setAttribute("aria-checked", on);
      picture.button.tabIndex = on ? 0 : -1;
    }
    const statistics = this.layers[layer].statistics[head];
    this.title.textContent = `Layer ${layer + 1}, head ${head + 1}`;
    this.statistics.textContent = `This head ${describe(statistics)}. Mean distance: ${
      statistics.distance.toFixed(1)} tokens.`;
    this.showWeights(this.query);
  }

  /** Show the weights with which the token at a position attends to the others. */
  showWeights(position) {
    this.query = position;
    const row = this.layers[this.chosen.layer]?.heads[this.chosen.head]?.[position];
    if (!row) return;
    const highest = Math.max(...row);
    this.spans.forEach((span, at) => {
      const weight = row[at] ?? 0;
      span.style.setProperty("--weight", ((weight / highest) ** 0.8).toFixed(3));
      span.classList.toggle("query", at === position);
      span.classList.toggle("future", at > position);
      span.tabIndex = at === position ? 0 : -1;
    });
    const strongest = row.map((weight, at) => ({ weight, at })).sort((a, b) => b.weight - a.weight)
      .slice(0, LISTED).filter(({ weight }) => weight >= MIN_LISTED);
    const name = (at) => (at === 0 ? "the start of the text" : `“${tokenText(this.tokens[at])}”`);
    const subject = name(position);
    this.detail.textContent = `${subject.charAt(0).toUpperCase()}${subject.slice(1)} attends to ${
      strongest.map(({ weight, at }) => `${at === position ? "itself" : name(at)} (${percent(weight)})`).join(", ")}.`;
  }

  moveToken(event) {
    const target = { ArrowRight: this.query + 1, ArrowLeft: this.query - 1, Home: 0,
      End: this.spans.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.spans[Math.max(0, Math.min(target, this.spans.length - 1))].focus();
  }

  moveHead(event) {
    const n_head = this.layers[0].heads.length;
    const index = this.chosen.layer * n_head + this.chosen.head;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: n_head, ArrowUp: -n_head }[event.key];
    const next = this.pictures[index + step];
    if (step === undefined) return;
    event.preventDefault();
    if (!next) return;
    this.choose(next);
    next.button.focus();
  }
}

/** A head's mean weights in words. */
function describe({ start, previous, itself }) {
  if (start > 0.6) return `attends mostly to the start of the text (${percent(start)})`;
  if (previous > 0.5) return `attends mostly to the previous token (${percent(previous)})`;
  if (itself > 0.5) return `attends mostly to the token itself (${percent(itself)})`;
  return `spreads its attention: ${percent(previous)} on the previous token, ${percent(itself)} on the token itself, `
    + `${percent(start)} on the start of the text`;
}

/** One row per query from the top, one column per key from the left; opacity shows the weight. */
function paintWeights(canvas, weights) {
  const context = canvas.getContext("2d");
  const size = PICTURE_SIZE / weights.length;
  context.clearRect(0, 0, PICTURE_SIZE, PICTURE_SIZE);
  context.fillStyle = getComputedStyle(canvas).color;
  weights.forEach((row, y) => row.forEach((weight, x) => {
    if (weight < 0.004) return;
    context.globalAlpha = Math.min(1, Math.sqrt(weight));
    context.fillRect(x * size, y * size, Math.max(1, size), Math.max(1, size));
  }));
  context.globalAlpha = 1;
}
