// The desk: one sheet, or two to compare, and what can be done with them.

import { Alternatives } from "./alternatives.js";
import { announce, calm, complain } from "./announce.js";
import { countStories, drawBranches } from "./branches.js";
import { COLOURS } from "./colours.js";
import { byId, h } from "./dom.js";
import { NextWord } from "./next_word.js";
import { DEFAULTS, SettingsPanel } from "./settings.js";
import { Sheet } from "./sheet.js";
import { forGood } from "./stored.js";
import { idsTo } from "./tree.js";

const IDEAS = ["Once upon a time", "The little fox was", "One day, a girl named", "It was a dark night and"];

export class Desk {
  constructor(models) {
    this.models = models;
    this.colour = "none";
    this.alternatives = new Alternatives((sheet, node, token) => this.branch(sheet, node, token));
    this.next = new NextWord((token) => this.active.take(token));
    this.panel = new SettingsPanel(byId("settings"), (settings, quiet) => this.changed(settings, quiet));
    this.sheets = [new Sheet(this, { name: "", models, model: models[0]?.name, settings: remembered() })];
    this.active = this.sheets[0];
    byId("sheets").append(this.active.element);
    this.panel.show(this.active.settings);
    this.wire();
    this.refresh();
    this.showNext();
  }

  wire() {
    byId("ideas").append(...IDEAS.map((idea) => h("button", { type: "button", class: "idea",
      onclick: () => { byId("beginning").value = idea; byId("beginning").focus(); } }, idea)));
    byId("begin").addEventListener("submit", (event) => event.preventDefault());
    byId("tell").addEventListener("click", () => this.tellOrStop());
    byId("undo").addEventListener("click", () => this.undo());
    byId("compare").addEventListener("click", () => this.compare());
    byId("copy").addEventListener("click", () => this.copy());
    byId("save").addEventListener("click", () => this.save());
    byId("fresh").addEventListener("click", () => this.fresh());
    byId("colours").addEventListener("change", (event) => this.colourBy(event.target.value));
    byId("which").addEventListener("change", (event) => this.onActive(this.sheets[Number(event.target.value)]));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (byId("write").hidden) return;
    const typing = event.target.closest?.("textarea, input[type=text], input[type=number]");
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key === "Enter") {
      event.preventDefault();
      this.tellOrStop();
    } else if (event.key === "Escape") {
      this.alternatives.close();
      this.sheets.forEach((sheet) => sheet.stop());
    } else if (control && event.key.toLowerCase() === "z" && !event.shiftKey && !typing) {
      event.preventDefault();
      this.undo();
    }
  }

  get isTelling() {
    return this.isBeginning || this.sheets.some((sheet) => sheet.telling);
  }

  async tellOrStop() {
    if (this.isTelling) {
      this.sheets.forEach((sheet) => sheet.stop());
      return;
    }
    this.alternatives.close();
    this.isBeginning = true;
    this.refresh();
    try {
      const beginning = byId("beginning").value;
      const empty = this.sheets.filter((sheet) => sheet.isEmpty);
      await Promise.all(empty.map((sheet) => sheet.begin(beginning || byId("beginning").placeholder)));
      calm();
    } catch (error) {
      complain(error);
      return;
    } finally {
      this.isBeginning = false;
      this.refresh();
    }
    if (byId("begin").contains(document.activeElement)) byId("tell").focus();
    byId("begin").hidden = true;
    await Promise.all(this.sheets.map((sheet) => sheet.tell()));
  }

  undo() {
    if (this.isTelling) return;
    this.alternatives.close();
    for (const sheet of this.sheets.length > 1 ? [this.active] : this.sheets) sheet.undo();
  }

  branch(sheet, node, token) {
    this.onActive(sheet);
    sheet.branch(node, token);
    announce(`The story goes on with ${token.text.trim() || "this"}.`);
    if (token.kind !== "end") sheet.tell();
    byId("tell").focus({ preventScroll: true });
  }

  compare() {
    const comparing = this.sheets.length === 1;
    if (comparing) this.addSheet();
    else {
      this.sheets.forEach((sheet) => sheet.stop());
      this.sheets.pop().element.remove();
      this.active = this.sheets[0];
    }
    byId("compare").setAttribute("aria-pressed", comparing);
    byId("which").hidden = !comparing;
    this.sheets[0].rename(comparing ? "Left" : "");
    byId("sheets").classList.toggle("two", comparing);
    byId("write").classList.toggle("comparing", comparing);
    this.onActive(this.sheets.at(-1));
  }

  addSheet() {
    const [first] = this.sheets;
    const other = this.models.find((known) => known.name !== first.model)?.name ?? first.model;
    const settings = { ...first.settings };
    if (other === first.model) settings.temperature = settings.temperature < 1 ? 1.2 : 0.5;
    const second = new Sheet(this, { name: "Right", models: this.models, model: other, settings });
    second.element.classList.add("second");
    this.sheets.push(second);
    byId("sheets").append(second.element);
    const beginning = first.path.filter((node, place, path) =>
      path.slice(0, place + 1).every((before) => before.by === "you"));
    const text = beginning.map((node) => node.text).join("");
    if (text) second.begin(text).then(() => this.onChange(second), complain);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.active.text);
      this.flash(byId("copy"), "Copied");
    } catch {
      complain(new Error("the browser does not let this page copy; select the story and copy it"));
    }
  }

  save() {
    const url = URL.createObjectURL(new Blob([`${this.active.text}\n`], { type: "text/plain;charset=utf-8" }));
    const name = this.active.text.trim().split(/\s+/).slice(0, 6).join("-").replace(/[^\p{L}\p{N}-]/gu, "") || "story";
    h("a", { href: url, download: `${name}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.flash(byId("save"), "Saved");
  }

  flash(button, words) {
    const before = button.textContent;
    button.textContent = words;
    announce(words);
    setTimeout(() => { button.textContent = before; }, 1600);
  }

  fresh() {
    this.alternatives.close();
    for (const sheet of this.sheets) {
      sheet.stop();
      sheet.forget();
      sheet.draw();
    }
    byId("begin").hidden = false;
    byId("beginning").focus();
    byId("beginning").select();
    this.onChange(this.active);
  }

  colourBy(kind) {
    this.colour = kind;
    document.body.dataset.colour = kind;
    const scale = COLOURS[kind];
    byId("legend").hidden = !scale;
    if (scale) {
      byId("legend").replaceChildren(...scale.legend.map((label, step) =>
        h("span", { class: `swatch h${step}` }, label)));
    }
    this.sheets.forEach((sheet) => sheet.recolour());
  }

  // -- what the parts tell the desk --------------------------------------------------------------

  onActive(sheet) {
    if (!sheet) return;
    const changed = this.active !== sheet || this.panel.settings !== sheet.settings;
    this.active = sheet;
    for (const other of this.sheets) other.element.classList.toggle("active", other === sheet && this.sheets.length > 1);
    byId("which").querySelectorAll("input")[this.sheets.indexOf(sheet)].checked = true;
    if (!changed) return;
    this.panel.show(sheet.settings);
    this.onChange(sheet);
  }

  onChange(sheet) {
    this.alternatives.close();
    this.refresh();
    if (sheet !== this.active) return;
    if (sheet.telling) this.next.leave();
    else this.showNext();
  }

  changed(settings, quiet) {
    if (this.sheets.length === 1) forGood.set("settings", JSON.stringify(settings));
    this.active.draw();
    if (!quiet && !this.active.telling) this.showNext();
  }

  showNext() {
    if (this.active.model) this.next.show(this.active.model, idsTo(this.active.current), this.active.settings);
  }

  refresh() {
    const telling = this.isTelling;
    const empty = this.sheets.every((sheet) => sheet.isEmpty);
    byId("tell").textContent = telling ? "Stop" : empty ? "Tell" : "Continue";
    byId("undo").disabled = telling || !this.active.past.length;
    for (const name of ["copy", "save"]) byId(name).disabled = empty || telling;
    byId("fresh").disabled = empty;
    byId("compare").disabled = telling;
    const branches = byId("branches-part");
    branches.hidden = telling || countStories(this.active.tree) < 2;
    if (!branches.hidden) {
      drawBranches(byId("branches"), this.active, (node) => {
        this.active.go(node);
        this.active.draw();
        this.onChange(this.active);
      });
    }
  }
}

function remembered() {
  try {
    const stored = JSON.parse(forGood.get("settings") ?? "{}");
    const known = Object.entries(stored).filter(([name, value]) => name in DEFAULTS && typeof value === "number");
    return { ...DEFAULTS, ...Object.fromEntries(known) };
  } catch {
    return { ...DEFAULTS };
  }
}
