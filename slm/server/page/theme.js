// Light or dark: as the system has it, until someone chooses.

import { byId } from "./dom.js";
import { forGood } from "./stored.js";

const system = matchMedia("(prefers-color-scheme: dark)");

export function startTheme() {
  const button = byId("theme");
  const chosen = forGood.get("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  const say = () => {
    const dark = isDark();
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Switch to light colours" : "Switch to dark colours");
  };
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    forGood.set("theme", next);
    say();
    document.dispatchEvent(new Event("theme"));
  });
  system.addEventListener("change", () => {
    say();
    document.dispatchEvent(new Event("theme"));
  });
  say();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}
