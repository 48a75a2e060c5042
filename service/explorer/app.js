// What the views share: the state, the model that is open, the point on the map and its picture.

import { getJson, newest, Problem } from "./api.js";
import { row } from "./arrays.js";
import { byId, settled, short, trying } from "./page.js";
import { roundedCode, toFragment } from "./state.js";

const NEIGHBOURS = 10;
const AT_A_TIME = 2; // requests for the picture: one is on its way while the other is drawn
const TRAIL = 200; // items of a one-dimensional code's curve

export class App extends EventTarget {
  /** Dispatches "code" whenever the point moves, "rest" once it has come to rest, "label" when the class changes. */
  constructor(state, map) {
    super();
    this.state = state;
    this.map = map;
    this.model = null;
    this.asked = this.painted = 0;
    this.decodeNewest = newest((z, label) => this.decodeNow(z, label), AT_A_TIME);
    this.rested = settled(() => this.dispatchEvent(new Event("rest")), 160);
    this.written = settled(() => this.write(), 250);
  }

  /** Show another model; the state already fits it. */
  async open(model) {
    this.model = model;
    this.trail = null;
    this.state.model = model.reference;
    const canvas = byId("now");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    if (model.painter.isPlane && model.d === 1) await this.loadTrail();
    document.body.classList.toggle("plots", !model.isImage);
  }

  /** Change parts of the state and write them into the address. */
  set(changes) {
    Object.assign(this.state, changes);
    this.written();
  }

  write() {
    if (this.model) history.replaceState(null, "", toFragment(this.state));
  }

  /** Put the point somewhere: the picture follows. `item` is what stands there, where it is an item's code. */
  setCode(z, { item = null } = {}) {
    this.set({ z: roundedCode(z), item });
    this.map.moveTo(this.state.z);
    byId("numbers").textContent = this.state.z.join(", ");
    this.tellNeighbours();
    this.dispatchEvent(new Event("code"));
    this.rested();
    return this.decodeNewest(this.state.z, this.state.label);
  }

  /** Decode the point again: another class, or a server that is back. */
  refreshPoint() {
    this.rested();
    return this.decodeNewest(this.state.z, this.state.label);
  }

  async decodeNow(z, label) {
    const { model } = this;
    this.asked += 1;
    const turn = this.asked;
    await trying(byId("now-error"), async () => {
      const outputs = await model.decode([z], label);
      if (model !== this.model || turn < this.painted) return;
      this.painted = turn;
      const canvas = byId("now");
      model.painter.paint(canvas, row(outputs, 0), this.trail);
      canvas.dataset.z = JSON.stringify(z);
      canvas.dataset.updates = 1 + Number(canvas.dataset.updates ?? 0);
    });
  }

  async loadTrail() {
    const { low, high } = this.model.ranges[0];
    const codes = Array.from({ length: TRAIL }, (_, i) => [low + ((high - low) * i) / (TRAIL - 1)]);
    this.trail = (await trying(byId("now-error"), () => this.model.decode(codes, this.state.label))) ?? null;
  }

  tellNeighbours() {
    const { model } = this;
    const { z, item } = this.state;
    const at = item?.[0] === "h" ? `Held-out item ${item.slice(1)}${model.labels ? `, ${model.nameOf(model.labels[item.slice(1)])}` : ""}. ` : "";
    const length = Math.hypot(...z);
    let text = `${at}The code is ${short(length)} long`;
    if (model.manifest.latent.distribution === "gaussian") text += ` (typical of the prior: ${short(Math.sqrt(model.d))})`;
    if (model.labels) {
      const counts = new Map();
      for (const i of model.nearest(z, NEIGHBOURS)) counts.set(model.labels[i], 1 + (counts.get(model.labels[i]) ?? 0));
      const [[label, count]] = [...counts].sort((a, b) => b[1] - a[1]);
      text += `; of its ${NEIGHBOURS} nearest held-out items ${count} are ${model.nameOf(label)}`;
    }
    byId("readout").textContent = `${text}.`;
  }

  /** Where an item's code lies, asking the server for items that are not held out. Raises Problem. */
  async codeOf(item) {
    const complaint = this.model.complaint(item);
    if (complaint) throw new Problem(422, complaint);
    if (item[0] === "h") return this.model.codeOf(Number(item.slice(1)));
    const { z } = await this.ask("encode", { ...this.model.itemsBody([item]), ...this.model.labelled(this.state.label) });
    return roundedCode(z[0]);
  }

  /** POST JSON for JSON. */
  ask(path, json) {
    return getJson(path, { query: this.model.query(), json });
  }
}
