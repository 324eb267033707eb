// The sliders of a sheet: how the next word is chosen.

import { h } from "./dom.js";

const TOP_K = [1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 0];

export const DEFAULTS = { temperature: 0.8, top_k: 50, top_p: 1, min_p: 0, max_tokens: 160, seed: null };

const SLIDERS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05,
    says: (value) => (value === 0 ? "0: always the likeliest" : value.toFixed(2)),
    meaning: "Lower is careful, higher is daring." },
  { name: "top_k", label: "Top-k", min: 0, max: TOP_K.length - 1, step: 1, values: TOP_K,
    says: (value) => (value ? `the ${value} likeliest` : "off"),
    meaning: "Choose among so many words at most." },
  { name: "top_p", label: "Top-p", min: 0.05, max: 1, step: 0.01,
    says: (value) => (value < 1 ? value.toFixed(2) : "off"),
    meaning: "Choose among the likeliest that together reach this probability." },
  { name: "min_p", label: "Min-p", min: 0, max: 0.5, step: 0.01,
    says: (value) => (value ? value.toFixed(2) : "off"),
    meaning: "Drop words less likely than this share of the likeliest." },
  { name: "max_tokens", label: "Length", min: 10, max: 500, step: 10,
    says: (value) => `up to ${value} tokens`, meaning: "How much is told at once.", quiet: true },
];

/** What is sent with a question about the next word. */
export function filtersOf(settings) {
  const { temperature, top_k, top_p, min_p } = settings;
  return { temperature, top_k, top_p, min_p };
}

/** Settings in a few words. */
export function inWords(settings) {
  const words = [`temperature ${settings.temperature}`];
  if (settings.top_k) words.push(`top-k ${settings.top_k}`);
  if (settings.top_p < 1) words.push(`top-p ${settings.top_p}`);
  if (settings.min_p) words.push(`min-p ${settings.min_p}`);
  if (settings.seed !== null) words.push(`seed ${settings.seed}`);
  return words.join(", ");
}

/**
 * The panel of sliders. `show` puts a sheet's settings on it; `onChange(settings)` is told of every
 * move, with the same object changed.
 */
export class SettingsPanel {
  constructor(place, onChange) {
    this.onChange = onChange;
    this.settings = { ...DEFAULTS };
    this.sliders = SLIDERS.map((slider) => this.slider(slider));
    this.seed = h("input", { id: "set-seed", type: "number", min: 0, max: 2147483647, step: 1,
      placeholder: "a new one each time", inputmode: "numeric", oninput: () => this.readSeed() });
    place.append(
      ...this.sliders.map((made) => made.row),
      h("div", { class: "slider" }, h("label", { for: "set-seed" }, "Seed"), this.seed),
      h("button", { type: "button", class: "quiet", onclick: () => this.reset() }, "Reset the sliders"),
    );
    this.show(this.settings);
  }

  slider(slider) {
    const id = `set-${slider.name}`;
    const output = h("output", { for: id });
    const input = h("input", { id, type: "range", min: slider.min, max: slider.max,
      step: slider.step, "aria-describedby": `${id}-meaning` });
    input.addEventListener("input", () => {
      const number = Number(input.value);
      this.settings[slider.name] = slider.values ? slider.values[number] : number;
      this.say({ slider, input, output });
      this.onChange(this.settings, slider.quiet ?? false);
    });
    const row = h("div", { class: "slider" }, h("label", { for: id }, slider.label), output, input,
      h("p", { class: "meaning", id: `${id}-meaning` }, slider.meaning));
    return { slider, input, output, row };
  }

  say({ slider, input, output }) {
    const words = slider.says(this.settings[slider.name]);
    output.textContent = words;
    input.setAttribute("aria-valuetext", words);
    const share = (input.value - slider.min) / (slider.max - slider.min);
    input.style.setProperty("--share", `${100 * share}%`);
  }

  show(settings) {
    this.settings = settings;
    for (const made of this.sliders) {
      const value = settings[made.slider.name];
      made.input.value = made.slider.values ? made.slider.values.indexOf(value) : value;
      this.say(made);
    }
    this.seed.value = settings.seed ?? "";
  }

  readSeed() {
    const number = Number(this.seed.value);
    const good = this.seed.value !== "" && Number.isInteger(number) && number >= 0;
    this.settings.seed = good ? Math.min(number, 2147483647) : null;
    this.onChange(this.settings, true);
  }

  reset() {
    Object.assign(this.settings, DEFAULTS);
    this.show(this.settings);
    this.onChange(this.settings, false);
  }
}
