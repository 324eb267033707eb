// Starts the page and switches between its views.

import { requestJson } from "./api.js";
import { showError } from "./announce.js";
import { byId } from "./dom.js";
import { InsideView } from "./inside.js";
import { RunView } from "./run.js";
import { startTheme } from "./theme.js";
import { WriteView } from "./write.js";

const VIEWS = ["write", "inside", "run"];
const RENAMED = { think: "inside" }; // fragments of earlier versions, which may be bookmarked
const views = {};

async function start() {
  startTheme();
  document.body.dataset.color = "none";
  const run = new RunView();
  try {
    const { models } = await requestJson("/insight/models");
    noteDtypes(models);
    const hasRun = await run.exists();
    byId("run-link").hidden = !hasRun;
    if (hasRun) views.run = run;
    if (models.length) {
      views.write = new WriteView(models);
      views.inside = new InsideView(models, views.write);
    } else {
      for (const link of document.querySelectorAll('nav a[href="#write"], nav a[href="#inside"]')) link.hidden = true;
    }
  } catch (error) {
    showError(error);
  }
  addEventListener("hashchange", () => route(true));
  route(false);
  document.body.dataset.ready = "yes";
}

/** Name the dtypes if the server generates stories in another one than it computes these figures in. */
function noteDtypes(models) {
  const different = models.find((model) => model.dtype !== model.text_dtype);
  for (const note of document.querySelectorAll(".dtype-note")) {
    note.hidden = !different;
    if (different) note.textContent = `Computed in ${different.dtype}. Stories are generated with ${different.text_dtype} `
      + "weights, so the probabilities of their tokens can differ slightly.";
  }
}

function route(isNavigation) {
  const fragment = location.hash.slice(1);
  if (fragment === "main" && isNavigation) return; // the skip link
  const requested = RENAMED[fragment] ?? fragment;
  const name = requested in views ? requested : (VIEWS.find((view) => view in views) ?? "write");
  for (const view of VIEWS) {
    byId(view).hidden = view !== name;
    if (view !== name) views[view]?.leave?.();
    const link = document.querySelector(`nav a[href="#${view}"]`);
    if (view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  views[name]?.enter?.();
  if (isNavigation) {
    scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
  }
}

start();
