// What is shown, as a plain object, and as the fragment of a link.

export const VIEWS = ["code", "yours", "morph", "sample", "models"];

/** What a link without a fragment shows. */
export const initial = () => ({
  model: null,
  view: "code",
  z: null,
  label: 0,
  item: null,
  plane: "map",
  hidden: [],
  contours: false,
  manifold: false,
  at: null,
  waypoints: [],
  steps: 8,
  method: "auto",
  n: 36,
  seed: 1,
  temperature: 1,
  truncation: null,
  prior: "auto",
  drawn: null,
});

/** Six digits are what a float32 holds, and what links, requests and the page then agree on. */
export const rounded = (value) => Number(Number(value).toPrecision(6));
export const roundedCode = (values) => Array.from(values, rounded);

const numbers = (text) => text.split(",").map(Number);
const joined = (values) => values.join(",");
const finite = (values) => values.length > 0 && values.every(Number.isFinite);

/** NAME or NAME@3, as the store writes names: nothing that a URL would take for a path. */
const REFERENCE = /^[a-z0-9][a-z0-9._-]*(@[1-9]\d*)?$/;

const FIELDS = {
  model: { read: String, write: String, fits: (value) => REFERENCE.test(value) },
  view: { read: String, write: String, fits: (value) => VIEWS.includes(value) },
  z: { read: numbers, write: joined, fits: finite },
  label: { read: Number, write: String, fits: (value) => Number.isInteger(value) && value >= 0 },
  item: { read: String, write: String, fits: (value) => /^[hpv]/.test(value) },
  plane: { read: String, write: String, fits: (value) => value === "map" || /^\d+,\d+$/.test(value) },
  hidden: { read: numbers, write: joined, fits: finite },
  contours: { read: (text) => text === "1", write: () => "1" },
  manifold: { read: (text) => text === "1", write: () => "1" },
  at: { read: numbers, write: joined, fits: (value) => finite(value) && value.length === 3 && value[2] > 0 },
  waypoints: { read: (text) => text.split(";"), write: (value) => value.join(";") },
  steps: { read: Number, write: String, fits: (value) => Number.isInteger(value) && value >= 2 },
  method: { read: String, write: String, fits: (value) => ["auto", "lerp", "slerp"].includes(value) },
  n: { read: Number, write: String, fits: (value) => Number.isInteger(value) && value >= 1 },
  seed: { read: Number, write: String, fits: (value) => Number.isInteger(value) && value >= 0 },
  temperature: { read: Number, write: String, fits: (value) => value >= 0 },
  truncation: { read: Number, write: String, fits: (value) => value > 0 },
  prior: { read: String, write: String, fits: (value) => ["auto", "standard", "fitted"].includes(value) },
  drawn: { read: Number, write: String, fits: (value) => Number.isInteger(value) && value >= 0 },
};
/** What is written although it is the default: a link to samples says their seed. */
const ALWAYS = ["model", "view", "seed"];

/** The fragment that restores a state. */
export function toFragment(state) {
  const made = new URLSearchParams();
  const plain = initial();
  for (const [name, { write }] of Object.entries(FIELDS)) {
    const value = state[name];
    const said = value !== null && (ALWAYS.includes(name) || JSON.stringify(value) !== JSON.stringify(plain[name]));
    if (said) made.set(name, write(value));
  }
  return `#${made.toString().replaceAll("%2C", ",").replaceAll("%3B", ";").replaceAll("%40", "@")}`;
}

/** A state from a fragment, and what of it could not be read, in words. */
export function fromFragment(fragment) {
  const state = initial();
  const complaints = [];
  for (const [name, text] of new URLSearchParams(fragment.replace(/^#/, ""))) {
    const field = FIELDS[name];
    const value = field?.read(text);
    if (!field) complaints.push(`the link has an unknown part “${name.slice(0, 40)}”`);
    else if (field.fits && !field.fits(value)) complaints.push(`the link's ${name} is not one: “${text.slice(0, 40)}”`);
    else state[name] = value;
  }
  return { state, complaints };
}
