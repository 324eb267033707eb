// One sheet: a story in a tree of stories, a model, settings, and the telling.

import { ask, events } from "./api.js";
import { announce, calm, complain, Reader } from "./announce.js";
import { stepOf } from "./colours.js";
import { h, percent, spoken } from "./dom.js";
import { filtersOf, inWords } from "./settings.js";
import { idsTo, pathTo, StoryTree, surpriseOf, textOf } from "./tree.js";

export class Sheet {
  /** `desk` is told of what happens: onChange, onActive; and has the card of alternatives. */
  constructor(desk, { name, models, model, settings }) {
    this.desk = desk;
    this.name = name;
    this.models = models;
    this.model = model;
    this.settings = settings;
    this.forget();
    this.telling = null;
    this.spans = [];
    this.story = h("p", { class: "story", lang: "en" });
    this.end = h("p", { class: "end", hidden: true, "aria-hidden": "true" }, "❧");
    this.select = h("select", { "aria-label": "Model", onchange: () => this.changeModel(this.select.value) },
      ...models.map((known) => h("option", { value: known.name }, known.name)));
    this.caption = h("span", { class: "caption" });
    this.figures = h("p", { class: "hint figures-line" });
    this.more = h("input", { type: "text", class: "more", maxlength: 1000, autocomplete: "off",
      placeholder: "write on yourself", "aria-label": "Write on yourself, then press Enter",
      onkeydown: (event) => event.key === "Enter" && !event.ctrlKey && this.writeOn(event) });
    this.title = h("b", {});
    this.element = h("article", { class: "sheet" },
      h("header", { class: "sheet-head" }, this.title, this.select, this.caption),
      this.story, this.end, this.more, this.figures);
    this.element.addEventListener("focusin", () => desk.onActive(this));
    this.element.addEventListener("pointerdown", () => desk.onActive(this));
    this.rename(name);
    this.listen();
    this.draw();
  }

  /** Call the sheet by a name, or by none while it is the only one. */
  rename(name) {
    this.name = name;
    this.title.textContent = name;
    this.title.hidden = !name;
    this.element.setAttribute("aria-label", name ? `${name} story` : "Story");
  }

  get shape() {
    return this.models.find((known) => known.name === this.model);
  }

  get path() {
    return pathTo(this.current);
  }

  get text() {
    return textOf(this.path);
  }

  get isEmpty() {
    return this.current === this.tree.root;
  }

  forget() {
    this.tree = new StoryTree();
    this.current = this.tree.root;
    this.written = this.tree.root; // the end of what was written by hand last
    this.past = [];
  }

  // -- what can be done --------------------------------------------------------------------------

  /** Begin a new tree with a text of one's own. */
  async begin(text) {
    this.forget();
    await this.append(text);
    this.past = [];
  }

  /** Add words of one's own, with what the model thinks of them. */
  async append(text) {
    if (text) {
      const added = await ask("/insight/tokens", { model: this.model, text, top: 0 });
      const ids = [...idsTo(this.current), ...added.tokens.map((token) => token.id)];
      const whole = this.isEmpty ? added
        : await ask("/insight/tokens", { model: this.model, ids, top: 0 });
      this.go(this.tree.addAll(this.current, whole.tokens.slice(-added.tokens.length), "you"));
      this.written = this.current;
    }
    this.draw();
  }

  async writeOn(event) {
    event.preventDefault();
    const words = this.more.value;
    if (!words.trim() || this.telling) return;
    this.more.value = "";
    const needsSpace = !this.isEmpty && /\S$/.test(this.text) && /^[\p{L}\p{N}"“]/u.test(words);
    try {
      await this.append(needsSpace ? ` ${words}` : words);
      this.desk.onChange(this);
    } catch (error) {
      complain(error);
    }
  }

  /** Stand at a node, and remember where we stood. */
  go(node) {
    if (node === this.current) return;
    this.past.push(this.current);
    this.current = this.tree.choose(node);
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.current = this.tree.choose(before);
    this.draw();
    announce("Undone.");
    this.desk.onChange(this);
  }

  /** Put another token where `node` stands. */
  branch(node, token) {
    this.go(this.tree.add(node.parent, token, "you"));
    if (token.kind === "end") this.endHere();
    this.draw();
    this.desk.onChange(this);
  }

  /** Add a token at the end. */
  take(token) {
    if (token.kind === "end") this.endHere();
    else this.go(this.tree.add(this.current, token, "you"));
    this.draw();
    this.desk.onChange(this);
  }

  endHere() {
    if (this.current.kind === "end") this.current = this.current.parent;
    this.current.ended = true;
  }

  /** Let the model tell on, until it ends, has told enough, or is stopped. */
  async tell() {
    if (this.telling) return;
    const stop = new AbortController();
    this.telling = stop;
    const { tree, current: from } = this;
    this.current.ended = false;
    const reader = new Reader(this.name);
    this.more.hidden = true;
    this.element.setAttribute("aria-busy", "true");
    this.element.classList.add("telling");
    this.desk.onChange(this);
    const startedAt = performance.now();
    let count = 0;
    try {
      for await (const event of events("/v1/completions", this.question(), stop.signal)) {
        const choice = event.choices?.[0];
        if (!choice) continue;
        if (this.tree !== tree) break; // another story meanwhile
        const tokens = this.tokensOf(choice);
        count += tokens.length;
        if (choice.logprobs?.replaced) this.stepBack(choice.logprobs.replaced, tokens);
        if (this.story.classList.contains("blank")) this.draw();
        for (const token of tokens) this.tellToken(token);
        if (choice.text) reader.push(choice.text);
        if (choice.finish_reason) this.current.ended = choice.finish_reason === "stop";
      }
      calm();
    } catch (error) {
      complain(error);
    } finally {
      this.telling = null;
      if (this.tree === tree && this.current !== from) this.past.push(from);
      reader.finish();
      this.element.removeAttribute("aria-busy");
      this.element.classList.remove("telling");
      this.rate = count / ((performance.now() - startedAt) / 1000);
      this.draw();
      if (!stop.signal.aborted) announce(this.current.ended ? "The story has ended." : "Enough for now.");
      this.desk.onChange(this);
    }
  }

  stop() {
    if (!this.telling) return;
    this.telling.abort();
    announce("Stopped.");
  }

  /**
   * What follows words written by hand is asked for by text: the model may then replace their last
   * tokens (`replaced` in the answer), as a space at the end belongs to the word after it.
   */
  question() {
    const { max_tokens, seed } = this.settings;
    const path = this.fitting(this.path);
    const prompt = this.current === this.written ? textOf(path) : path.map((node) => node.id);
    return { model: this.model, prompt, max_tokens, seed: seed ?? undefined,
      ...filtersOf(this.settings), stream: true, logprobs: 0 };
  }

  /** What the model can read of a story: of a long one the end, with as much room as it needs. */
  fitting(path) {
    const room = (this.shape?.block_size ?? Infinity) - 1;
    return path.length < room ? path : path.slice(-Math.max(1, Math.floor(room / 2)));
  }

  /** Go back over the end of one's own words, and let the first new token hold it. */
  stepBack(replaced, tokens) {
    let [node, text] = [this.current, ""];
    while (text.length < replaced.length && node.parent) [node, text] = [node.parent, node.text + text];
    if (text !== replaced) return; // other tokens than the server's: they stay
    this.tree.leave(this.current, node);
    this.current = node;
    tokens[0].text = replaced + tokens[0].text;
    this.draw();
  }

  /** The tokens of a piece of the stream. What it adds to the text belongs to its last token. */
  tokensOf(choice) {
    const ids = choice.logprobs?.token_ids ?? [];
    const found = choice.logprobs?.tokens ?? [];
    const exact = found.length === ids.length && found.join("") === choice.text;
    return ids.map((id, place) => ({
      id,
      text: exact ? found[place] : place === ids.length - 1 ? choice.text : "",
      kind: id === this.shape?.end_id ? "end" : "text",
      probability: Math.exp(choice.logprobs?.token_logprobs?.[place] ?? NaN),
    })).map((token) => (Number.isNaN(token.probability) ? { ...token, probability: null } : token))
      .filter((token) => token.kind !== "end");
  }

  tellToken(token) {
    this.current = this.tree.add(this.current, token, "model");
    const pieces = this.pieces(this.current);
    const span = pieces.at(-1);
    const before = this.story.lastElementChild?.getBoundingClientRect();
    this.story.append(...pieces);
    // Whoever reads along keeps the end in sight; whoever has scrolled away is left alone.
    if (this.desk.active === this && before && before.bottom < innerHeight) span.scrollIntoView({ block: "nearest" });
  }

  async changeModel(model) {
    const text = this.text;
    this.stop();
    this.model = model;
    try {
      await this.begin(text);
    } catch (error) {
      complain(error);
    }
    this.desk.onChange(this);
  }

  // -- how it looks ------------------------------------------------------------------------------

  draw() {
    this.spans = [];
    this.story.replaceChildren(...this.path.flatMap((node) => this.pieces(node)));
    if (this.spans.length) this.spans[0].element.tabIndex = 0;
    const fresh = this.isEmpty && !this.telling;
    this.story.classList.toggle("blank", fresh);
    if (fresh) this.story.textContent = "Your story will stand here.";
    this.end.hidden = !this.current.ended;
    this.more.hidden = this.isEmpty || this.telling !== null;
    this.select.value = this.model;
    this.select.hidden = this.models.length < 2;
    this.caption.textContent = inWords(this.settings);
    this.figures.textContent = this.summary();
  }

  summary() {
    const known = this.path.filter((node) => node.by === "model" && node.probability !== null);
    if (!known.length) return "";
    const bits = known.reduce((sum, node) => sum + surpriseOf(node), 0) / known.length;
    const rate = this.rate ? `, told at ${Math.round(this.rate).toLocaleString("en")} tokens/s` : "";
    return `${known.length.toLocaleString("en")} tokens by the model, ${bits.toFixed(1)} bits of surprise each${rate}`;
  }

  /** A token in the story. Most begin with a space, which stands before the word and not in it. */
  pieces(node) {
    const spaced = /^ \S/.test(node.text);
    const element = h("span", { class: `token by-${node.by}` }, spaced ? node.text.slice(1) : node.text);
    const step = stepOf(node.probability, this.desk.colour);
    if (step !== null) element.classList.add(`h${step}`);
    this.spans.push({ node, element });
    element.node = node;
    return spaced ? [" ", element] : [element];
  }

  recolour() {
    this.draw();
  }

  listen() {
    const tokenAt = (event) => event.target.closest?.(".token");
    const card = this.desk.alternatives;
    this.story.addEventListener("pointerover", (event) => {
      const element = tokenAt(event);
      if (element && event.pointerType === "mouse" && !this.telling) card.hover(this, element.node, element);
    });
    this.story.addEventListener("pointerout", () => card.leave());
    this.story.addEventListener("click", (event) => {
      const element = tokenAt(event);
      if (element && !this.telling && getSelection().isCollapsed) {
        this.focusOn(element);
        card.open(this, element.node, element, { pinned: true });
      }
    });
    this.story.addEventListener("keydown", (event) => this.key(event));
    this.story.addEventListener("focusin", (event) => this.describe(tokenAt(event)));
  }

  key(event) {
    const element = event.target.closest(".token");
    const at = this.spans.findIndex((span) => span.element === element);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.spans.length - 1 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || at < 0) return;
    if (to !== undefined) {
      event.preventDefault();
      const next = this.spans[Math.max(0, Math.min(to, this.spans.length - 1))];
      this.focusOn(next.element);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!this.telling) this.desk.alternatives.open(this, element.node, element, { pinned: true });
    }
  }

  /** Only one word is in the order of the Tab key, and only that one is a button to a reader. */
  focusOn(element) {
    for (const span of this.spans) span.element.removeAttribute("tabindex");
    element.tabIndex = 0;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  describe(element) {
    for (const span of this.spans) {
      if (span.element === element) continue;
      for (const name of ["role", "aria-label", "aria-haspopup"]) span.element.removeAttribute(name);
    }
    if (!element) return;
    const { node } = element;
    const odds = node.probability === null ? "" : `, ${percent(node.probability)}`;
    element.setAttribute("role", "button");
    element.setAttribute("aria-haspopup", "dialog");
    element.setAttribute("aria-label", `${spoken(node)}${odds}`);
  }
}
