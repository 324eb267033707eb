// The Look inside view: surprisal, attention and the logit lens of any text.

import { requestJson } from "./api.js";
import { clearError, showError } from "./announce.js";
import { Attention } from "./attention.js";
import { byId, h } from "./dom.js";
import { drawLens } from "./lens.js";
import { drawSurprisal } from "./surprisal.js";

const EXAMPLE = "Once upon a time there was a little fox. The fox loved to play.";

export class InsideView {
  constructor(models, writeView) {
    this.models = models;
    this.writeView = writeView;
    this.attention = new Attention(byId("attention"));
    const select = byId("inspect-model");
    select.append(...models.map((known) => h("option", { value: known.name }, known.name)));
    select.closest("label").hidden = models.length < 2;
    byId("inspect-text").value = EXAMPLE;
    byId("inspect-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.inspect();
    });
    byId("inspect-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.inspect();
      }
    });
    byId("use-story").addEventListener("click", () => {
      const text = writeView.active.text.trim();
      if (text) byId("inspect-text").value = text;
      this.inspect();
    });
  }

  /** Called when the view is shown. */
  enter() {
    byId("use-story").disabled = this.writeView.active.isEmpty;
    if (byId("inside-results").hidden) this.inspect();
  }

  async inspect() {
    const model = byId("inspect-model").value || undefined;
    const text = byId("inspect-text").value;
    const info = this.models.find((known) => known.name === model) ?? this.models[0];
    byId("inspect-status").textContent = "Computing …";
    const request = (this.request = {});
    try {
      const scored = await requestJson("/insight/tokens", { model, text, top: 5 });
      if (this.request !== request) return; // another text was submitted
      let ids = scored.tokens.map((token) => token.id);
      drawSurprisal(byId("surprisal"), byId("surprisal-lead"), scored);
      const fits = ids.length <= info.max_inspected_tokens;
      if (!fits) ids = ids.slice(0, info.max_inspected_tokens);
      const lens = await requestJson("/insight/lens", { model, ids, top: 5 });
      if (this.request !== request) return;
      drawLens(byId("lens"), lens);
      byId("inside-results").hidden = false;
      await this.attention.inspect(model, ids);
      if (this.request !== request) return;
      byId("inspect-status").textContent = fits ? ""
        : `The text is too long for attention and the lens: they show the first ${ids.length} tokens.`;
      clearError();
    } catch (error) {
      if (this.request !== request) return;
      byId("inspect-status").textContent = "";
      showError(error);
    }
  }
}
