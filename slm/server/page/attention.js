// Attention: a small picture of every head, and the words that the chosen head looks at.

import { ask } from "./api.js";
import { complain } from "./announce.js";
import { h, percent, spoken, visible } from "./dom.js";

const PICTURE = 96; // pixels of a head's picture

export class Attention {
  constructor(place) {
    this.place = place;
    this.layers = [];
    this.chosen = { layer: 0, head: 0 };
    this.word = null;
    document.addEventListener("theme", () => this.paint());
  }

  /** Show every head over these ids; the layers come one after the other. */
  async look(model, ids) {
    const turn = (this.turn = {});
    this.layers = [];
    for (let layer = 0; ; layer += 1) {
      let found;
      try {
        found = await ask("/insight/attention", { model, ids, layers: [layer] });
      } catch (error) {
        if (this.turn === turn) complain(error);
        return;
      }
      if (this.turn !== turn) return; // another text meanwhile
      this.layers.push(found.layers[0]);
      if (layer === 0) this.begin(found);
      this.addRow(found.layers[0]);
      if (layer + 1 >= found.n_layer) break;
    }
    this.choose(this.mostTelling());
  }

  begin(found) {
    this.tokens = found.tokens;
    this.word = Math.min(found.tokens.length - 1, Math.max(1, Math.round(found.tokens.length * 0.6)));
    this.grid = h("div", { class: "heads", role: "radiogroup", "aria-label": "Heads" });
    this.grid.style.setProperty("--heads", found.n_head);
    this.title = h("h3", { class: "head-title" });
    this.habits = h("p", { class: "hint" });
    this.text = h("p", { class: "attended", role: "group", "aria-label": "The words; choose one to see what it looks at" });
    this.sum = h("p", { class: "hint detail", "aria-live": "polite" });
    this.words = this.tokens.map((token, place) => this.makeWord(token, place));
    this.text.append(...this.words);
    this.text.addEventListener("keydown", (event) => this.moveWord(event));
    this.grid.addEventListener("keydown", (event) => this.moveHead(event));
    this.place.replaceChildren(h("div", { class: "attention" }, this.grid,
      h("div", { class: "reading" }, this.title, this.habits, this.text, this.sum)));
    this.pictures = [];
  }

  makeWord(token, place) {
    const text = token.kind === "end" ? "⊢ " : token.text.replace(/\n/g, "↵\n") || "▯";
    return h("span", { class: "attended-word", role: "button", tabindex: place === this.word ? 0 : -1,
      "aria-label": token.kind === "end" ? "the start" : spoken(token),
      onpointerenter: () => this.lookFrom(place), onfocus: () => this.lookFrom(place),
      onclick: () => this.words[place].focus() }, text);
  }

  addRow(layer) {
    this.grid.append(h("span", { class: "layer-name", "aria-hidden": "true" }, `${layer.layer + 1}`));
    layer.heads.forEach((rows, head) => {
      const canvas = h("canvas", { width: PICTURE, height: PICTURE, "aria-hidden": "true" });
      const at = { layer: layer.layer, head };
      const button = h("button", { type: "button", class: "head", role: "radio", tabindex: -1,
        "aria-label": `Layer ${layer.layer + 1}, head ${head + 1}: ${inWords(layer.habits[head])}`,
        onclick: () => this.choose(at) }, canvas);
      this.pictures.push({ ...at, canvas, button, rows });
      this.grid.append(button);
      paintHead(canvas, rows);
    });
  }

  paint() {
    this.pictures?.forEach(({ canvas, rows }) => paintHead(canvas, rows));
  }

  /** A head that looks at something else than the start and itself. */
  mostTelling() {
    const score = ({ layer, head }) => {
      const habits = this.layers[layer].habits[head];
      return habits.previous - habits.start;
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
    const habits = this.layers[layer].habits[head];
    this.title.textContent = `Layer ${layer + 1}, head ${head + 1}`;
    this.habits.textContent = `It ${inWords(habits)}. On average it looks ${habits.distance.toFixed(1)} tokens back.`;
    this.lookFrom(this.word);
  }

  /** Show what a word looks at. */
  lookFrom(place) {
    this.word = place;
    const row = this.layers[this.chosen.layer]?.heads[this.chosen.head]?.[place];
    if (!row) return;
    const strongest = Math.max(...row);
    this.words.forEach((word, at) => {
      const weight = row[at] ?? 0;
      word.style.setProperty("--weight", ((weight / strongest) ** 0.8).toFixed(3));
      word.classList.toggle("from", at === place);
      word.classList.toggle("later", at > place);
      word.tabIndex = at === place ? 0 : -1;
    });
    const most = row.map((weight, at) => ({ weight, at })).sort((a, b) => b.weight - a.weight).slice(0, 4)
      .filter(({ weight }) => weight >= 0.005);
    const name = (at) => (at === 0 ? "the start" : `“${visible(this.tokens[at])}”`);
    this.sum.textContent = `${place === 0 ? "The start" : name(place)} takes ${
      most.map(({ weight, at }) => `${percent(weight)} from ${at === place ? "itself" : name(at)}`).join(", ")}.`;
  }

  moveWord(event) {
    const to = { ArrowRight: this.word + 1, ArrowLeft: this.word - 1, Home: 0, End: this.words.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.words[Math.max(0, Math.min(to, this.words.length - 1))].focus();
  }

  moveHead(event) {
    const heads = this.layers[0].heads.length;
    const at = this.chosen.layer * heads + this.chosen.head;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: heads, ArrowUp: -heads }[event.key];
    const next = this.pictures[at + step];
    if (step === undefined) return;
    event.preventDefault();
    if (!next) return;
    this.choose(next);
    next.button.focus();
  }
}

function inWords(habits) {
  if (habits.start > 0.6) return `rests on the start, ${percent(habits.start)}`;
  if (habits.previous > 0.5) return `looks at the word just before, ${percent(habits.previous)}`;
  if (habits.itself > 0.5) return `looks at the word itself, ${percent(habits.itself)}`;
  return `looks around: ${percent(habits.previous)} on the word before, ${percent(habits.itself)} on the word itself, ${percent(habits.start)} on the start`;
}

/** Rows from above, columns from the left; the more ink, the more weight. */
function paintHead(canvas, rows) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const size = PICTURE / rows.length;
  context.clearRect(0, 0, PICTURE, PICTURE);
  context.fillStyle = style.getPropertyValue("--cool").trim();
  rows.forEach((row, y) => row.forEach((weight, x) => {
    if (weight < 0.004) return;
    context.globalAlpha = Math.min(1, Math.sqrt(weight));
    context.fillRect(x * size, y * size, Math.max(1, size), Math.max(1, size));
  }));
  context.globalAlpha = 1;
}
