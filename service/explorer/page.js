// Small helpers around the document.

/** @returns {any} the element with this id */
export const byId = (id) => document.getElementById(id);

/** An element with properties, dataset and children. */
export function make(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(name === "role" ? name : `aria-${name}`, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Run what a control asks for; a Problem is shown beside it, in the API's words. */
export async function trying(place, work) {
  try {
    const result = await work();
    place.textContent = "";
    return result;
  } catch (error) {
    if (!("status" in error)) throw error;
    place.textContent = error.message;
    return undefined;
  }
}

/** Call `work` once nothing has asked for it for so long. */
export function settled(work, ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}

/** Draw before the next frame, once. */
export function framed(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** A value of the style sheet. */
export const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Whether the person asked for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Five significant digits at most, for reading. */
export const short = (value) => String(Number(Number(value).toPrecision(4)));

/** Save a blob as a file. */
export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
