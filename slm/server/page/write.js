// The Write view: one story pane, or two to compare, and the toolbar.

import { Alternatives } from "./alternatives.js";
import { announce, clearError, showError } from "./announce.js";
import { countStories, drawBranches } from "./branches.js";
import { COLOR_SCALES } from "./colors.js";
import { byId, h } from "./dom.js";
import { NextToken } from "./next_token.js";
import { DEFAULTS, SettingsPanel } from "./settings.js";
import { persistent } from "./storage.js";
import { StoryPane } from "./story_pane.js";
import { idsTo } from "./tree.js";

const SLIDER_RESTS = 700; // milliseconds without a movement
const EXAMPLES = ["Once upon a time", "The little fox was", "One day, a girl named", "It was a dark night and"];

export class WriteView {
  constructor(models) {
    this.models = models;
    this.colorBy = "none";
    this.alternatives = new Alternatives((pane, node, token) => this.branch(pane, node, token));
    this.next = new NextToken((token) => this.active.appendToken(token));
    this.panel = new SettingsPanel(byId("filters"), byId("other-settings"),
      (settings, affectsNext) => this.settingsChanged(settings, affectsNext));
    this.panes = [new StoryPane(this, { name: "", models, model: models[0]?.name, settings: storedSettings() })];
    this.active = this.panes[0];
    byId("panes").append(this.active.element);
    this.panel.show(this.active.settings);
    this.addListeners();
    this.refresh();
    this.showNext();
  }

  addListeners() {
    byId("examples").append(...EXAMPLES.map((example) => h("button", { type: "button", class: "example",
      onclick: () => { byId("prompt").value = example; byId("prompt").focus(); } }, example)));
    byId("prompt-form").addEventListener("submit", (event) => event.preventDefault());
    byId("generate").addEventListener("click", () => this.generateOrStop());
    byId("undo").addEventListener("click", () => this.undo());
    byId("compare").addEventListener("click", () => this.toggleCompare());
    byId("copy").addEventListener("click", () => this.copy());
    byId("save").addEventListener("click", () => this.save());
    byId("new-story").addEventListener("click", () => this.newStory());
    byId("color-by").addEventListener("change", (event) => this.setColorScale(event.target.value));
    byId("settings-of").addEventListener("change", (event) => this.activate(this.panes[Number(event.target.value)]));
    document.addEventListener("keydown", (event) => this.handleKey(event));
  }

  handleKey(event) {
    if (byId("write").hidden) return;
    const isTyping = event.target.closest?.("textarea, input[type=text], input[type=number]");
    const isControl = event.ctrlKey || event.metaKey;
    if (isControl && event.key === "Enter") {
      event.preventDefault();
      this.generateOrStop();
    } else if (event.key === "Escape") {
      this.alternatives.close();
      this.stop();
    } else if (isControl && event.key.toLowerCase() === "z" && !event.shiftKey && !isTyping) {
      event.preventDefault();
      this.undo();
    }
  }

  get isGenerating() {
    return this.isStarting || this.panes.some((pane) => pane.isGenerating);
  }

  async generateOrStop() {
    if (this.isGenerating) {
      this.stop();
      return;
    }
    this.alternatives.close();
    this.isStarting = true;
    this.isStopped = false;
    this.refresh();
    try {
      const prompt = byId("prompt").value || byId("prompt").placeholder;
      const empty = this.panes.filter((pane) => pane.isEmpty);
      await Promise.all(empty.map((pane) => pane.start(prompt)));
      clearError();
    } catch (error) {
      showError(error);
      return;
    } finally {
      this.isStarting = false;
      this.refresh();
    }
    if (byId("prompt-form").contains(document.activeElement)) byId("generate").focus();
    byId("prompt-form").hidden = true;
    if (!this.isStopped) await Promise.all(this.panes.map((pane) => pane.generate()));
  }

  /** Stop generating, or begin no generation once the prompt has been read. */
  stop() {
    this.isStopped = true;
    this.panes.forEach((pane) => pane.stop());
  }

  undo() {
    if (this.isGenerating) return;
    this.alternatives.close();
    for (const pane of this.panes.length > 1 ? [this.active] : this.panes) pane.undo();
  }

  branch(pane, node, token) {
    this.activate(pane);
    pane.branch(node, token);
    announce(`Continuing with ${token.text.trim() || "this token"}.`);
    if (token.kind !== "end") pane.generate();
    byId("generate").focus({ preventScroll: true });
  }

  toggleCompare() {
    const isComparing = this.panes.length === 1;
    if (isComparing) this.addPane();
    else {
      this.panes.forEach((pane) => pane.stop());
      this.panes.pop().element.remove();
      this.active = this.panes[0];
    }
    byId("compare").setAttribute("aria-pressed", isComparing);
    byId("settings-of").hidden = !isComparing;
    this.panes[0].rename(isComparing ? "Left" : "");
    byId("panes").classList.toggle("two", isComparing);
    byId("write").classList.toggle("comparing", isComparing);
    this.activate(this.panes.at(-1));
  }

  addPane() {
    const [first] = this.panes;
    const other = this.models.find((known) => known.name !== first.model)?.name ?? first.model;
    const settings = { ...first.settings };
    if (other === first.model) settings.temperature = settings.temperature < 1 ? 1.2 : 0.5;
    const second = new StoryPane(this, { name: "Right", models: this.models, model: other, settings });
    second.element.classList.add("second");
    this.panes.push(second);
    byId("panes").append(second.element);
    const prompt = first.path.filter((node, index, path) =>
      path.slice(0, index + 1).every((before) => before.author === "user"));
    const text = prompt.map((node) => node.text).join("");
    if (text) second.start(text).then(() => this.paneChanged(second), showError);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.active.text);
      this.flash(byId("copy"), "Copied");
    } catch {
      showError(new Error("the browser denied access to the clipboard; select the story and copy it"));
    }
  }

  save() {
    const url = URL.createObjectURL(new Blob([`${this.active.text}\n`], { type: "text/plain;charset=utf-8" }));
    const name = this.active.text.trim().split(/\s+/).slice(0, 6).join("-").replace(/[^\p{L}\p{N}-]/gu, "") || "story";
    h("a", { href: url, download: `${name}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.flash(byId("save"), "Saved");
  }

  flash(button, message) {
    const label = button.textContent;
    button.textContent = message;
    announce(message);
    setTimeout(() => { button.textContent = label; }, 1600);
  }

  newStory() {
    this.alternatives.close();
    for (const pane of this.panes) {
      pane.stop();
      pane.clear();
      pane.draw();
    }
    byId("prompt-form").hidden = false;
    byId("prompt").focus();
    byId("prompt").select();
    this.paneChanged(this.active);
  }

  setColorScale(name) {
    this.colorBy = name;
    document.body.dataset.color = name;
    const scale = COLOR_SCALES[name];
    byId("legend").hidden = !scale;
    if (scale) {
      byId("legend").replaceChildren(...scale.labels.map((label, tint) =>
        h("span", { class: `swatch tint-${tint}` }, label)));
    }
    this.panes.forEach((pane) => pane.draw());
  }

  // -- called by the parts of the view -----------------------------------------------------------

  activate(pane) {
    if (!pane) return;
    const isNew = this.active !== pane || this.panel.settings !== pane.settings;
    this.active = pane;
    for (const other of this.panes) other.element.classList.toggle("active", other === pane && this.panes.length > 1);
    byId("settings-of").querySelectorAll("input")[this.panes.indexOf(pane)].checked = true;
    if (!isNew) return;
    this.panel.show(pane.settings);
    this.paneChanged(pane);
  }

  paneChanged(pane) {
    this.alternatives.close();
    this.refresh();
    if (pane !== this.active) return;
    if (pane.isGenerating) this.next.suspend();
    else this.showNext();
  }

  settingsChanged(settings, affectsNext) {
    if (this.panes.length === 1) persistent.set("settings", JSON.stringify(settings));
    this.active.draw();
    if (!affectsNext || this.active.isGenerating) return;
    this.showNext();
    clearTimeout(this.slid); // once the slider rests, say what screen readers do not see in the bars
    this.slid = setTimeout(() => announce(this.next.summary), SLIDER_RESTS);
  }

  showNext() {
    if (this.active.model) this.next.show(this.active.model, idsTo(this.active.current), this.active.settings);
  }

  refresh() {
    const isGenerating = this.isGenerating;
    const isEmpty = this.panes.every((pane) => pane.isEmpty);
    byId("generate").textContent = isGenerating ? "Stop" : isEmpty ? "Write" : "Continue";
    byId("undo").disabled = isGenerating || !this.active.history.length;
    for (const name of ["copy", "save"]) byId(name).disabled = isEmpty || isGenerating;
    byId("new-story").disabled = isEmpty;
    byId("compare").disabled = isGenerating;
    const branches = byId("branches-section");
    branches.hidden = isGenerating || countStories(this.active.tree) < 2;
    if (!branches.hidden) {
      drawBranches(byId("branches"), this.active, (node) => this.active.choose(node));
    }
  }
}

function storedSettings() {
  try {
    const stored = JSON.parse(persistent.get("settings") ?? "{}");
    const known = Object.entries(stored).filter(([name, value]) => name in DEFAULTS && typeof value === "number");
    return { ...DEFAULTS, ...Object.fromEntries(known) };
  } catch {
    return { ...DEFAULTS };
  }
}
