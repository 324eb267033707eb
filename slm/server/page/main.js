// The page: its views, and who fills them.

import { ask } from "./api.js";
import { complain } from "./announce.js";
import { byId } from "./dom.js";
import { RunView } from "./run.js";
import { startTheme } from "./theme.js";
import { Think } from "./think.js";
import { Desk } from "./write.js";

const VIEWS = ["write", "think", "run"];
const shown = {};

async function start() {
  startTheme();
  document.body.dataset.colour = "none";
  const run = new RunView();
  try {
    const { models } = await ask("/insight/models");
    noteDtypes(models);
    const hasRun = await run.exists();
    byId("run-link").hidden = !hasRun;
    if (hasRun) shown.run = run;
    if (models.length) {
      const desk = new Desk(models);
      shown.write = desk;
      shown.think = new Think(models, desk);
    } else {
      for (const link of document.querySelectorAll('nav a[href="#write"], nav a[href="#think"]')) link.hidden = true;
    }
  } catch (error) {
    complain(error);
  }
  addEventListener("hashchange", () => route(true));
  route(false);
  document.body.dataset.ready = "yes";
}

/** Say where figures and stories are computed differently, and so can differ. */
function noteDtypes(models) {
  const differing = models.find((model) => model.dtype !== model.text_dtype);
  for (const note of document.querySelectorAll(".dtype-note")) {
    note.hidden = !differing;
    if (differing) note.textContent = `Computed in ${differing.dtype}. Stories are generated with ${differing.text_dtype} `
      + "weights, so the probabilities of their words can differ slightly.";
  }
}

function route(moved) {
  const wanted = location.hash.slice(1);
  if (wanted === "main" && moved) return; // the link that skips the header
  const name = wanted in shown ? wanted : (VIEWS.find((view) => view in shown) ?? "write");
  for (const view of VIEWS) {
    byId(view).hidden = view !== name;
    if (view !== name) shown[view]?.leave?.();
    const link = document.querySelector(`nav a[href="#${view}"]`);
    if (view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown[name]?.enter?.();
  if (moved) {
    scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
  }
}

start();
