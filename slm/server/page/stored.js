// What the browser keeps for the page. Where it keeps nothing, the page works all the same.

export const forGood = keeper(() => localStorage);
export const forNow = keeper(() => sessionStorage);

function keeper(storage) {
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
        // full, or not allowed
      }
    },
  };
}
