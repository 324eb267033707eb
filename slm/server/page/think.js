// See it think: surprise, attention and the logit lens over a text of one's own.

import { ask } from "./api.js";
import { calm, complain } from "./announce.js";
import { Attention } from "./attention.js";
import { byId, h } from "./dom.js";
import { drawLens } from "./lens.js";
import { drawLoss } from "./loss_text.js";

const SAMPLE = "Once upon a time there was a little fox. The fox lived in the forest and loved to play.";

export class Think {
  constructor(models, desk) {
    this.models = models;
    this.attention = new Attention(byId("attention"));
    const select = byId("look-model");
    select.append(...models.map((known) => h("option", { value: known.name }, known.name)));
    select.closest("label").hidden = models.length < 2;
    byId("look-text").value = SAMPLE;
    byId("look").addEventListener("submit", (event) => {
      event.preventDefault();
      this.look();
    });
    byId("look-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.look();
      }
    });
    byId("take-story").addEventListener("click", () => {
      const text = desk.active.text.trim();
      if (text) byId("look-text").value = text;
      this.look();
    });
    this.desk = desk;
  }

  /** The view is shown. */
  enter() {
    byId("take-story").disabled = this.desk.active.isEmpty;
    if (byId("insides").hidden) this.look();
  }

  async look() {
    const model = byId("look-model").value || undefined;
    const text = byId("look-text").value;
    const shape = this.models.find((known) => known.name === model) ?? this.models[0];
    byId("look-status").textContent = "Reading …";
    const turn = (this.turn = {});
    try {
      const scored = await ask("/insight/tokens", { model, text, top: 5 });
      if (this.turn !== turn) return; // another text meanwhile
      let ids = scored.tokens.map((token) => token.id);
      drawLoss(byId("loss"), byId("loss-lead"), scored);
      const fits = ids.length <= shape.most_looked_into;
      if (!fits) ids = ids.slice(0, shape.most_looked_into);
      const lens = await ask("/insight/lens", { model, ids, top: 5 });
      if (this.turn !== turn) return;
      drawLens(byId("lens"), lens);
      byId("insides").hidden = false;
      await this.attention.look(model, ids);
      if (this.turn !== turn) return;
      byId("look-status").textContent = fits ? ""
        : `Attention and the lens look at the first ${ids.length} tokens: more is too much to look into.`;
      calm();
    } catch (error) {
      if (this.turn !== turn) return;
      byId("look-status").textContent = "";
      complain(error);
    }
  }
}
