// Browser storage. If the browser denies it, the page works without.

/** Kept until the user clears it. */
export const persistent = wrap(() => localStorage);
/** Kept while the tab is open. */
export const session = wrap(() => sessionStorage);

function wrap(storage) {
  return {
    get(name) {
      try {
        return storage().getItem(`slm.${name}`);
      } catch {
        return null;
      }
    },
    set(name, value) {
      try {
        storage().setItem(`slm.${name}`, value);
      } catch {
        // full or denied
      }
    },
  };
}
