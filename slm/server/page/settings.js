// The sampling settings of a pane.

import { h } from "./dom.js";

const TOP_K = [1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 0];

export const DEFAULTS = { temperature: 0.8, top_k: 50, top_p: 1, min_p: 0, max_tokens: 160, seed: null };

const SLIDERS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05,
    format: (value) => (value === 0 ? "0 (greedy)" : value.toFixed(2)),
    description: "0 is greedy decoding; higher is more random.", affectsNext: true },
  { name: "top_k", label: "Top-k", min: 0, max: TOP_K.length - 1, step: 1, values: TOP_K,
    format: (value) => value || "off",
    description: "Sample from the K most likely tokens.", affectsNext: true },
  { name: "top_p", label: "Top-p", min: 0.05, max: 1, step: 0.01,
    format: (value) => (value < 1 ? value.toFixed(2) : "off"),
    description: "Keep the top tokens up to this total probability.", affectsNext: true },
  { name: "min_p", label: "Min-p", min: 0, max: 0.5, step: 0.01,
    format: (value) => (value ? value.toFixed(2) : "off"),
    description: "Drop tokens below this share of the top token.", affectsNext: true },
  { name: "max_tokens", label: "Length", min: 10, max: 500, step: 10,
    format: (value) => `${value} tokens`,
    description: "Maximum number of new tokens.", affectsNext: false },
];

/** The settings that a request about the next token takes. */
export function filtersOf(settings) {
  const { temperature, top_k, top_p, min_p } = settings;
  return { temperature, top_k, top_p, min_p };
}

/** The settings in one line. */
export function summaryOf(settings) {
  const parts = [`temperature ${settings.temperature}`];
  if (settings.top_k) parts.push(`top-k ${settings.top_k}`);
  if (settings.top_p < 1) parts.push(`top-p ${settings.top_p}`);
  if (settings.min_p) parts.push(`min-p ${settings.min_p}`);
  if (settings.seed !== null) parts.push(`seed ${settings.seed}`);
  return parts.join(", ");
}

/**
 * The sliders: those that change the next token's probabilities in `filters`, all other settings in `others`.
 * `show` displays a pane's settings. `onChange(settings, affectsNext)` is called after each change, with the same
 * object, updated; `affectsNext`: whether the next token's probabilities change.
 */
export class SettingsPanel {
  constructor(filters, others, onChange) {
    this.onChange = onChange;
    this.settings = { ...DEFAULTS };
    this.sliders = SLIDERS.map((slider) => this.makeSlider(slider));
    this.seed = h("input", { id: "set-seed", type: "number", min: 0, max: 2147483647, step: 1,
      placeholder: "random", inputmode: "numeric", oninput: () => this.readSeed() });
    const rows = (affectsNext) => this.sliders
      .filter((made) => made.slider.affectsNext === affectsNext).map((made) => made.row);
    filters.append(...rows(true));
    others.append(
      ...rows(false),
      h("div", { class: "slider" }, h("label", { for: "set-seed" }, "Seed"), this.seed),
      h("button", { type: "button", class: "small", onclick: () => this.reset() }, "Reset settings"),
    );
    this.show(this.settings);
  }

  makeSlider(slider) {
    const id = `set-${slider.name}`;
    const output = h("output", { for: id });
    const input = h("input", { id, type: "range", min: slider.min, max: slider.max,
      step: slider.step, "aria-describedby": `${id}-description` });
    input.addEventListener("input", () => {
      const number = Number(input.value);
      this.settings[slider.name] = slider.values ? slider.values[number] : number;
      this.showValue({ slider, input, output });
      this.onChange(this.settings, slider.affectsNext);
    });
    const row = h("div", { class: "slider" }, h("label", { for: id }, slider.label), input, output,
      h("p", { class: "description", id: `${id}-description` }, slider.description));
    return { slider, input, output, row };
  }

  showValue({ slider, input, output }) {
    const text = slider.format(this.settings[slider.name]);
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
    const fraction = (input.value - slider.min) / (slider.max - slider.min);
    input.style.setProperty("--filled", `${100 * fraction}%`);
  }

  show(settings) {
    this.settings = settings;
    for (const made of this.sliders) {
      const value = settings[made.slider.name];
      made.input.value = made.slider.values ? made.slider.values.indexOf(value) : value;
      this.showValue(made);
    }
    this.seed.value = settings.seed ?? "";
  }

  readSeed() {
    const number = Number(this.seed.value);
    const isValid = this.seed.value !== "" && Number.isInteger(number) && number >= 0;
    this.settings.seed = isValid ? Math.min(number, 2147483647) : null;
    this.onChange(this.settings, false);
  }

  reset() {
    Object.assign(this.settings, DEFAULTS);
    this.show(this.settings);
    this.onChange(this.settings, true);
  }
}
