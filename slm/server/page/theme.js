// Light or dark theme: the system's, until the user chooses one.

import { byId } from "./dom.js";
import { persistent } from "./storage.js";

const system = matchMedia("(prefers-color-scheme: dark)");

export function startTheme() {
  const button = byId("theme");
  const chosen = persistent.get("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  const label = () => {
    const dark = isDark();
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Switch to light colors" : "Switch to dark colors");
  };
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    persistent.set("theme", next);
    label();
    document.dispatchEvent(new Event("theme"));
  });
  system.addEventListener("change", () => {
    label();
    document.dispatchEvent(new Event("theme"));
  });
  label();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}
