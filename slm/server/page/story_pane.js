// A story pane: a story in its tree, a model, settings, and generation.

import { requestEvents, requestJson } from "./api.js";
import { announce, clearError, SentenceReader, showError } from "./announce.js";
import { tintOf } from "./colors.js";
import { h, percent, spokenToken } from "./dom.js";
import { filtersOf, summaryOf } from "./settings.js";
import { idsTo, pathTo, StoryTree, surprisalOf, textOf } from "./tree.js";

export class StoryPane {
  /** Calls `view.paneChanged(pane)` and `view.activate(pane)`; uses `view.alternatives` and `view.colorBy`. */
  constructor(view, { name, models, model, settings }) {
    this.view = view;
    this.name = name;
    this.models = models;
    this.model = model;
    this.settings = settings;
    this.clear();
    this.generation = null; // the AbortController of the generation in progress
    this.spans = [];
    this.story = h("p", { class: "story", lang: "en" });
    this.endMark = h("p", { class: "end-mark", hidden: true, "aria-hidden": "true" }, "❧");
    this.select = h("select", { "aria-label": "Model", onchange: () => this.changeModel(this.select.value) },
      ...models.map((known) => h("option", { value: known.name }, known.name)));
    this.caption = h("span", { class: "caption" });
    this.statistics = h("p", { class: "hint statistics" });
    this.ownText = h("input", { type: "text", class: "own-text", maxlength: 1000, autocomplete: "off",
      placeholder: "continue in your own words", "aria-label": "Continue in your own words, then press Enter",
      onkeydown: (event) => event.key === "Enter" && !event.ctrlKey && this.appendOwnText(event) });
    this.title = h("b", {});
    this.element = h("article", { class: "pane" },
      h("header", { class: "pane-head" }, this.title, this.select, this.caption),
      this.story, this.endMark, this.ownText, this.statistics);
    this.element.addEventListener("focusin", () => view.activate(this));
    this.element.addEventListener("pointerdown", () => view.activate(this));
    this.rename(name);
    this.addListeners();
    this.draw();
  }

  /** Set the pane's name; empty if it is the only pane. */
  rename(name) {
    this.name = name;
    this.title.textContent = name;
    this.title.hidden = !name;
    this.element.setAttribute("aria-label", name ? `${name} story` : "Story");
  }

  get modelInfo() {
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

  get isGenerating() {
    return this.generation !== null;
  }

  clear() {
    this.tree = new StoryTree();
    this.current = this.tree.root;
    this.typedEnd = null; // the last token of the text that the user typed last
    this.history = [];
  }

  // -- editing -----------------------------------------------------------------------------------

  /** Start a new tree with the user's prompt; without an answer of the server the old one stays. */
  async start(prompt) {
    const { tree, current, typedEnd, history } = this;
    this.clear();
    try {
      await this.appendText(prompt);
      this.history = [];
    } catch (error) {
      Object.assign(this, { tree, current, typedEnd, history });
      throw error;
    }
  }

  /** Append the user's text, with its probabilities under the model. */
  async appendText(text) {
    if (text) {
      const added = await requestJson("/insight/tokens", { model: this.model, text, top: 0 });
      const ids = [...idsTo(this.current), ...added.tokens.map((token) => token.id)];
      const whole = this.isEmpty ? added
        : await requestJson("/insight/tokens", { model: this.model, ids, top: 0 });
      this.moveTo(this.tree.addAll(this.current, whole.tokens.slice(-added.tokens.length), "user"));
      this.typedEnd = this.current;
    }
    this.draw();
  }

  async appendOwnText(event) {
    event.preventDefault();
    const text = this.ownText.value;
    if (!text.trim() || this.isGenerating) return;
    this.ownText.value = "";
    const needsSpace = !this.isEmpty && /\S$/.test(this.text) && /^[\p{L}\p{N}"“]/u.test(text);
    try {
      await this.appendText(needsSpace ? ` ${text}` : text);
      this.view.paneChanged(this);
    } catch (error) {
      this.ownText.value = text;
      showError(error);
    }
  }

  /** Move to a node, and remember the current one for undo. */
  moveTo(node) {
    if (node === this.current) return;
    this.history.push(this.current);
    this.current = this.tree.choose(node);
  }

  /** Show the story that ends at a node. */
  choose(node) {
    this.moveTo(node);
    if (node.kind === "end") this.endStory();
    this.draw();
    this.view.paneChanged(this);
  }

  undo() {
    const previous = this.history.pop();
    if (!previous) return;
    this.current = this.tree.choose(previous);
    this.draw();
    announce("Undone.");
    this.view.paneChanged(this);
  }

  /** Branch the story: put another token in the position of `node`. */
  branch(node, token) {
    this.choose(this.tree.add(node.parent, token, "user"));
  }

  /** Append a token that the user chose. */
  appendToken(token) {
    if (token.kind === "end") this.endStory();
    else this.moveTo(this.tree.add(this.current, token, "user"));
    this.draw();
    this.view.paneChanged(this);
  }

  endStory() {
    if (this.current.kind === "end") this.current = this.current.parent;
    this.current.ended = true;
  }

  async changeModel(model) {
    const { text, model: before } = this;
    this.stop();
    this.model = model;
    try {
      await this.start(text);
    } catch (error) {
      this.model = before;
      this.select.value = before;
      showError(error);
    }
    this.view.paneChanged(this);
  }

  // -- generation --------------------------------------------------------------------------------

  /** Generate until the model ends the story, the length limit is reached, or the user stops. */
  async generate() {
    if (this.isGenerating) return;
    const abort = new AbortController();
    this.generation = abort;
    const { tree, current: from } = this;
    this.current.ended = false;
    const reader = new SentenceReader(this.name);
    this.ownText.hidden = true;
    this.element.setAttribute("aria-busy", "true");
    this.element.classList.add("generating");
    this.view.paneChanged(this);
    const startedAt = performance.now();
    let count = 0;
    try {
      for await (const event of requestEvents("/v1/completions", this.completionRequest(), abort.signal)) {
        const choice = event.choices?.[0];
        if (!choice) continue;
        if (this.tree !== tree) break; // a new story was started
        const tokens = this.tokensOf(choice);
        count += tokens.length;
        if (choice.logprobs?.replaced) this.replaceTyped(choice.logprobs.replaced, tokens[0]);
        if (this.story.classList.contains("empty")) this.draw();
        for (const token of tokens) this.showGenerated(token);
        if (choice.text) reader.push(choice.text);
        if (choice.finish_reason) this.current.ended = choice.finish_reason === "stop";
      }
      clearError();
    } catch (error) {
      showError(error);
    } finally {
      this.generation = null;
      if (this.tree === tree && this.current !== from) this.history.push(from);
      reader.finish();
      this.element.removeAttribute("aria-busy");
      this.element.classList.remove("generating");
      this.tokensPerSecond = count / ((performance.now() - startedAt) / 1000);
      this.draw();
      if (!abort.signal.aborted) announce(this.current.ended ? "The story has ended." : "Stopped at the length limit.");
      this.view.paneChanged(this);
    }
  }

  stop() {
    if (!this.isGenerating) return;
    this.generation.abort();
    announce("Stopped.");
  }

  /**
   * The prompt is token ids, except after typed text: the server may then replace its last tokens (it
   * reports them as `replaced`), for example a space at the end, which belongs to the next word.
   */
  completionRequest() {
    const { max_tokens, seed } = this.settings;
    const whole = this.path;
    const path = this.contextOf(whole);
    const prompt = this.current === this.typedEnd || !path.length ? textOf(path) : path.map((node) => node.id);
    const isWhole = path.length === whole.length; // the end of a story does not begin as a text does
    return { model: this.model, prompt, add_special_tokens: isWhole, seed: seed ?? undefined,
      max_tokens: Math.min(max_tokens, this.modelInfo?.max_new_tokens ?? max_tokens), ...filtersOf(this.settings), stream: true, logprobs: 0 };
  }

  /** The nodes that fit the context; of a longer story its end, which leaves half the context free. */
  contextOf(path) {
    const room = (this.modelInfo?.block_size ?? Infinity) - 1;
    return path.length < room ? path : path.slice(-Math.max(1, Math.floor(room / 2)));
  }

  /** Remove the typed tokens that the first generated token replaces, and give it their text. */
  replaceTyped(replaced, token) {
    let [node, text] = [this.current, ""];
    while (text.length < replaced.length && node.parent) [node, text] = [node.parent, node.text + text];
    if (text !== replaced) return; // the tokens differ from the server's: keep them
    this.tree.removeBack(this.current, node);
    this.current = node;
    token.text = replaced + token.text;
    this.draw();
  }

  /** The tokens of a streamed choice. If their texts do not add up to its text, the last one gets it all. */
  tokensOf(choice) {
    const ids = choice.logprobs?.token_ids ?? [];
    const texts = choice.logprobs?.tokens ?? [];
    const isExact = texts.length === ids.length && texts.join("") === choice.text;
    return ids.map((id, index) => ({
      id,
      text: isExact ? texts[index] : index === ids.length - 1 ? choice.text : "",
      kind: id === this.modelInfo?.end_id ? "end" : "text",
      probability: Math.exp(choice.logprobs?.token_logprobs?.[index] ?? NaN),
    })).map((token) => (Number.isNaN(token.probability) ? { ...token, probability: null } : token))
      .filter((token) => token.kind !== "end");
  }

  showGenerated(token) {
    this.current = this.tree.add(this.current, token, "model");
    const elements = this.elementsOf(this.current);
    const span = elements.at(-1);
    const lastBox = this.story.lastElementChild?.getBoundingClientRect();
    this.story.append(...elements);
    // Keep the end in view, unless the user has scrolled away from it.
    if (this.view.active === this && lastBox && lastBox.bottom < innerHeight) span.scrollIntoView({ block: "nearest" });
  }

  // -- drawing -----------------------------------------------------------------------------------

  draw() {
    this.spans = [];
    this.story.replaceChildren(...this.path.flatMap((node) => this.elementsOf(node)));
    if (this.spans.length) this.spans[0].element.tabIndex = 0;
    const hasPlaceholder = this.isEmpty && !this.isGenerating;
    this.story.classList.toggle("empty", hasPlaceholder);
    if (hasPlaceholder) this.story.textContent = "Your story will appear here.";
    this.endMark.hidden = !this.current.ended;
    this.ownText.hidden = this.isEmpty || this.isGenerating;
    this.select.value = this.model;
    this.select.hidden = this.models.length < 2;
    this.caption.textContent = summaryOf(this.settings);
    this.statistics.textContent = this.summary();
  }

  summary() {
    const known = this.path.filter((node) => node.author === "model" && node.probability !== null);
    if (!known.length) return "";
    const mean = known.reduce((sum, node) => sum + surprisalOf(node), 0) / known.length;
    const rate = this.tokensPerSecond ? `, ${Math.round(this.tokensPerSecond).toLocaleString("en")} tokens/s` : "";
    return `${known.length.toLocaleString("en")} generated tokens, mean surprisal ${mean.toFixed(1)} bits${rate}`;
  }

  /** The nodes that show a token. A leading space is kept outside the token's element. */
  elementsOf(node) {
    const hasSpace = /^ \S/.test(node.text);
    const element = h("span", { class: `token by-${node.author}` }, hasSpace ? node.text.slice(1) : node.text);
    const tint = tintOf(node.probability, this.view.colorBy);
    if (tint !== null) element.classList.add(`tint-${tint}`);
    this.spans.push({ node, element });
    element.node = node;
    return hasSpace ? [" ", element] : [element];
  }

  // -- pointer and keyboard ----------------------------------------------------------------------

  addListeners() {
    const tokenAt = (event) => event.target.closest?.(".token");
    const card = this.view.alternatives;
    this.story.addEventListener("pointerover", (event) => {
      const element = tokenAt(event);
      if (element && event.pointerType === "mouse" && !this.isGenerating) card.hover(this, element.node, element);
    });
    this.story.addEventListener("pointerout", () => card.leave());
    this.story.addEventListener("click", (event) => {
      const element = tokenAt(event);
      if (element && !this.isGenerating && getSelection().isCollapsed) {
        this.focusOn(element);
        card.open(this, element.node, element, { pinned: true });
      }
    });
    this.story.addEventListener("keydown", (event) => this.handleKey(event));
    this.story.addEventListener("focusin", (event) => this.describe(tokenAt(event)));
  }

  handleKey(event) {
    const element = event.target.closest(".token");
    const index = this.spans.findIndex((span) => span.element === element);
    const target = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: this.spans.length - 1 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || index < 0) return;
    if (target !== undefined) {
      event.preventDefault();
      const next = this.spans[Math.max(0, Math.min(target, this.spans.length - 1))];
      this.focusOn(next.element);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!this.isGenerating) this.view.alternatives.open(this, element.node, element, { pinned: true });
    }
  }

  /** Only the focused token is in the tab order, and only it is a button to screen readers. */
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
    const probability = node.probability === null ? "" : `, probability ${percent(node.probability)}`;
    element.setAttribute("role", "button");
    element.setAttribute("aria-haspopup", "dialog");
    element.setAttribute("aria-label", `${spokenToken(node)}${probability}`);
  }
}
