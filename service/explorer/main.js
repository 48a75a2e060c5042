// Wires the page: opens a model, restores a link, and hands the person's wishes to the views.

import { connection, getJson, Problem } from "./api.js";
import { App } from "./app.js";
import { CodeView } from "./code_view.js";
import { colourOf } from "./colours.js";
import { CodeMap } from "./map.js";
import { openModel } from "./model.js";
import { ModelsView } from "./models_view.js";
import { MorphView } from "./morph_view.js";
import { byId, make, trying } from "./page.js";
import { SampleView } from "./sample_view.js";
import { fromFragment, roundedCode, toFragment, VIEWS } from "./state.js";
import { YoursView } from "./yours_view.js";

const map = new CodeMap(byId("map"));
const app = new App(fromFragment("").state, map);
const views = {
  code: new CodeView(app),
  yours: new YoursView(app),
  morph: new MorphView(app),
  sample: new SampleView(app),
  models: new ModelsView(app),
};

// -- opening models and links

async function restore(fragment) {
  const { state, complaints } = fromFragment(fragment);
  const models = await fillModels();
  let model = null;
  if (state.model) {
    try {
      model = await openModel(state.model);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      complaints.push(problem.message);
    }
  }
  if (!model) {
    const fallback = await openFirst(models);
    if (!fallback) {
      tell(complaints.concat(models.length ? "no model could be opened" : "the store has no model yet: train one with “latent train mnist-vae”"));
      return;
    }
    Object.assign(state, { model: fallback.reference, z: null, item: null, waypoints: [], plane: "map", hidden: [], at: null });
    model = fallback;
  }
  fit(state, model, complaints);
  app.state = state;
  await enter(model);
  tell(complaints);
}

/** Drop from a state what its model has not. */
function fit(state, model, complaints) {
  if (state.z && state.z.length !== model.d) {
    complaints.push(`the link's code has ${state.z.length} numbers, and the codes of ${model.reference} have ${model.d}`);
    state.z = null;
  }
  for (const waypoint of state.waypoints) {
    const size = waypoint.slice(1).split(",").length;
    const wrong = waypoint[0] === "z" ? (size === model.d ? null : `a waypoint has ${size} numbers, not ${model.d}`) : model.complaint(waypoint);
    if (wrong) {
      complaints.push(wrong);
      state.waypoints = [];
      break;
    }
  }
  if (state.item) {
    const wrong = model.complaint(state.item);
    if (wrong) {
      complaints.push(wrong);
      state.item = null;
    }
  }
  if (!model.planeOf(state.plane)) {
    complaints.push(`the codes of ${model.reference} have no dimensions ${state.plane}`);
    state.plane = "map";
  }
  if (model.input.conditional && state.label >= model.classNames.length) state.label = 0;
}

/** The default model, else the first whose map can be had. */
async function openFirst(models) {
  const order = [...models].sort((a, b) => Number(b.default) - Number(a.default));
  for (const { name, serves } of order) {
    if (serves === null) continue;
    try {
      return await openModel(name);
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status === 0) throw problem;
    }
  }
  return null;
}

/** Show a model that the state fits. */
async function enter(model) {
  await app.open(model);
  const { state } = app;
  byId("model").value = model.reference;
  fillLabels(model);
  fillAxes(model);
  fillLegend(model);
  byId("code-size").textContent = model.d === 1 ? "(1 number)" : `(${model.d} numbers)`;
  const start = state.z ?? (state.item ? null : model.codeOf(0));
  const z = start ?? (await trying(byId("now-error"), () => app.codeOf(state.item))) ?? model.codeOf(0);
  const item = state.item ?? (state.z ? null : "h0");
  if (model.input.conditional && item?.[0] === "h" && !state.z) state.label = model.labels[Number(item.slice(1))];
  byId("label").value = state.label;
  map.show(model, { ...state, plane: model.planeOf(state.plane) }, roundedCode(z));
  for (const view of Object.values(views)) view.open();
  for (const name of ["contours", "manifold"]) byId(name).setAttribute("aria-pressed", String(state[name]));
  const decoded = app.setCode(z, { item });
  choose(state.view);
  await decoded;
}

async function switchTo(reference) {
  const done = await trying(byId("notice"), async () => {
    const model = await openModel(reference);
    Object.assign(app.state, { z: null, item: null, waypoints: [], plane: "map", hidden: [], at: null, label: 0, drawn: null });
    await enter(model);
    return true;
  });
  if (!done && app.model) byId("model").value = app.model.reference;
}

async function fillModels() {
  const { models } = await getJson("models");
  const options = models.flatMap(({ name, versions }) =>
    versions.toReversed().map(({ version, state }) =>
      make("option", { value: `${name}@${version}` }, `${name} · ${version}${state === "ready" ? "" : ` (${state})`}`),
    ),
  );
  byId("model").replaceChildren(...options);
  return models;
}

function tell(complaints) {
  const text = complaints.map((complaint) => complaint.replace(/\.$/, "")).join("; ");
  byId("notice").textContent = text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

// -- the map's surroundings

function fillLabels(model) {
  byId("label-field").hidden = !model.input.conditional;
  byId("label").replaceChildren(...model.classNames.map((name, i) => make("option", { value: i }, name)));
}

function fillAxes(model) {
  const [across, up] = [byId("across"), byId("up")];
  const dimensions = Array.from({ length: model.d }, (_, i) => make("option", { value: i }, `z ${i}`));
  across.replaceChildren(make("option", { value: "map" }, model.d > 2 ? "principal two" : "the code"), ...(model.d > 2 ? dimensions : []));
  up.replaceChildren(...dimensions.map((option) => option.cloneNode(true)));
  across.parentElement.hidden = model.d <= 2;
  const [first, second] = app.state.plane.split(",");
  across.value = first;
  up.value = second ?? "1";
  byId("up-field").hidden = second === undefined;
}

function chooseAxes() {
  const [across, up] = [byId("across"), byId("up")];
  byId("up-field").hidden = across.value === "map";
  if (across.value === up.value) up.value = across.value === "0" ? "1" : "0";
  app.set({ plane: across.value === "map" ? "map" : `${across.value},${up.value}`, at: null });
  showMap();
}

function fillLegend(model) {
  const present = model.labels ? [...new Set(model.labels)].sort((a, b) => a - b) : [];
  byId("legend").replaceChildren(
    ...present.map((label) => {
      const dot = make("i");
      dot.style.background = colourOf(label);
      const button = make("button", { type: "button", aria: { pressed: String(!app.state.hidden.includes(label)) } }, dot, model.nameOf(label));
      button.addEventListener("click", () => {
        const hidden = new Set(app.state.hidden);
        if (!hidden.delete(label)) hidden.add(label);
        button.setAttribute("aria-pressed", String(!hidden.has(label)));
        app.set({ hidden: [...hidden].sort((a, b) => a - b) });
        showMap();
      });
      return button;
    }),
  );
}

function showMap() {
  map.show(app.model, { ...app.state, plane: app.model.planeOf(app.state.plane) }, app.state.z);
}

function toggle(name) {
  byId(name).addEventListener("click", () => {
    app.set({ [name]: !app.state[name] });
    byId(name).setAttribute("aria-pressed", String(app.state[name]));
    showMap();
  });
}

async function underlay() {
  const { model } = app;
  const { codes, at, side } = map.underlayCodes();
  const outputs = await trying(byId("map-error"), () => model.decode(codes, app.state.label));
  if (!outputs || model !== app.model || !app.state.manifold) return;
  const one = document.createElement("canvas");
  const sheet = document.createElement("canvas");
  const size = outputs.data.length / codes.length;
  codes.forEach((_, i) => {
    model.painter.paint(one, { shape: model.input.shape, data: outputs.data.subarray(i * size, (i + 1) * size) });
    if (i === 0) Object.assign(sheet, { width: side * one.width, height: side * one.height });
    sheet.getContext("2d").drawImage(one, (i % side) * one.width, Math.floor(i / side) * one.height);
  });
  map.setUnderlay(sheet, at);
}

function hover(at) {
  const box = byId("hover");
  box.hidden = !at;
  if (!at) return;
  const { model } = app;
  model.paintItem(byId("hover-picture"), at.i);
  byId("hover-text").textContent = `${model.labels ? `${model.nameOf(model.labels[at.i])} · ` : ""}item ${at.i}`;
  const left = at.x + 16 + box.offsetWidth > map.width ? at.x - 16 - box.offsetWidth : at.x + 16;
  box.style.left = `${Math.max(0, left)}px`;
  box.style.top = `${Math.max(0, Math.min(at.y - 20, map.height - box.offsetHeight))}px`;
}

// -- views

function choose(view) {
  app.set({ view });
  for (const name of VIEWS) {
    const tab = byId(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === view));
    tab.tabIndex = name === view ? 0 : -1;
    byId(`view-${name}`).hidden = name !== view;
    if (name !== view) views[name].hide();
  }
  views[view].show();
  byId("taken").hidden = true;
  byId("take-text").textContent = "";
}

async function take(kind) {
  const said = byId("take-text");
  app.write();
  const taken = kind === "link" ? { link: new URL(toFragment(app.state), location.href).href } : views[app.state.view].take();
  if (!taken) {
    said.textContent = "Add two waypoints first.";
    return;
  }
  const place = Object.assign(byId("taken"), { value: taken[kind], hidden: false });
  place.select();
  try {
    await navigator.clipboard.writeText(taken[kind]);
    said.textContent = "Copied.";
  } catch {
    said.textContent = "Copy it from below.";
  }
}

app.choose = choose;
app.switchTo = switchTo;
app.addWaypoint = (waypoint) => {
  app.set({ waypoints: [...app.state.waypoints, waypoint] });
  choose("morph");
};
app.setLabel = (label) => {
  app.set({ label });
  byId("label").value = label;
  app.dispatchEvent(new Event("label"));
};

// -- what the person does

byId("model").addEventListener("change", (event) => void switchTo(event.target.value));
byId("label").addEventListener("change", async (event) => {
  app.setLabel(Number(event.target.value));
  if (app.trail) await app.loadTrail();
  void app.refreshPoint();
  if (app.state.manifold) map.wantUnderlay();
  if (app.state.view === "morph") void views.morph.update();
});
byId("across").addEventListener("change", chooseAxes);
byId("up").addEventListener("change", chooseAxes);
byId("zoom-in").addEventListener("click", () => map.zoom(0.7));
byId("zoom-out").addEventListener("click", () => map.zoom(1 / 0.7));
byId("fit").addEventListener("click", () => map.reset());
byId("pan").addEventListener("click", () => {
  map.panning = !map.panning;
  byId("pan").setAttribute("aria-pressed", String(map.panning));
});
toggle("contours");
toggle("manifold");
map.addEventListener("move", (event) => void app.setCode(event.detail.z));
map.addEventListener("pick", (event) => void views.yours.use(`h${event.detail.i}`));
map.addEventListener("hover", (event) => hover(event.detail));
map.addEventListener("view", () => app.set({ at: map.at.map((value) => Number(value.toPrecision(5))) }));
map.addEventListener("underlay", () => void underlay());
for (const name of VIEWS) byId(`tab-${name}`).addEventListener("click", () => choose(name));
byId("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = VIEWS[(VIEWS.indexOf(app.state.view) + step + VIEWS.length) % VIEWS.length];
  choose(next);
  byId(`tab-${next}`).focus();
});
for (const kind of ["curl", "python", "link"]) byId(`take-${kind}`).addEventListener("click", () => void take(kind));
addEventListener("hashchange", () => void begin());
document.querySelector(".skip").addEventListener("click", (event) => {
  // Its fragment would be read as a link to a view.
  event.preventDefault();
  byId("panel").focus();
});

// -- a server that goes and comes

connection.addEventListener("lost", (event) => {
  const { status, message } = event.detail;
  byId("banner").textContent = `${status ? message : "The server does not answer."} Trying again …`;
  byId("banner").hidden = false;
});
connection.addEventListener("back", async () => {
  byId("banner").hidden = true;
  if (!app.model) await begin();
  else {
    await app.refreshPoint();
    await views[app.state.view].refresh();
  }
});

async function begin() {
  try {
    await restore(location.hash);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    tell([problem.message]);
  }
}

void begin();
