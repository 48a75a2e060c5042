// A path through waypoints: the strip, the player, the file.

import { getArrays, getBlob, newest } from "./api.js";
import { nested, row, rows } from "./arrays.js";
import { pictured } from "./drawing.js";
import { byId, make, save, still, trying } from "./page.js";
import { roundedCode } from "./state.js";
import { postTake } from "./take.js";

const GIF_PIXELS = 256;

/** A waypoint is an item, or "z…" for a code that no item stands for. */
export const codeWaypoint = (z) => `z${z.join(",")}`;

export class MorphView {
  constructor(app) {
    this.app = app;
    this.frames = [];
    this.morph = newest(() => this.morphNow());
    const change = (changes) => {
      app.set(changes);
      return this.update();
    };
    byId("add-point").addEventListener("click", () => app.addWaypoint(app.state.item ?? codeWaypoint(app.state.z)));
    byId("add-random").addEventListener("click", () => app.addWaypoint(`h${Math.floor(Math.random() * app.model.size)}`));
    byId("morph-clear").addEventListener("click", () => change({ waypoints: [] }));
    byId("steps").addEventListener("change", (event) => change({ steps: Math.min(64, Math.max(2, Math.round(event.target.valueAsNumber) || 8)) }));
    byId("method").addEventListener("change", (event) => change({ method: event.target.value }));
    byId("play").addEventListener("click", () => this.toggle());
    byId("save-gif").addEventListener("click", () => this.saveGif());
  }

  open() {
    this.stop();
    byId("player").hidden = true;
    byId("strips").replaceChildren();
  }

  show() {
    this.visible = true;
    return this.update();
  }

  hide() {
    this.visible = false;
    this.stop();
    this.app.map.setPath(null);
  }

  refresh() {
    return this.update();
  }

  update() {
    const { state } = this.app;
    Object.assign(byId("steps"), { value: state.steps });
    Object.assign(byId("method"), { value: state.method });
    byId("save-gif").hidden = !this.app.model.isImage;
    return this.morph();
  }

  async morphNow() {
    const { app } = this;
    const { model } = app;
    await trying(byId("morph-error"), async () => {
      const waypoints = await Promise.all(app.state.waypoints.map((waypoint) => this.resolve(waypoint)));
      if (model !== app.model) return;
      this.list(waypoints);
      this.waypoints = waypoints;
      byId("player").hidden = waypoints.length < 2;
      if (waypoints.length < 2) {
        this.stop();
        app.map.setPath(null);
        byId("strips").replaceChildren(make("p", { className: "quiet" }, "Add two waypoints or more: the point on the map, items, your own."));
        return;
      }
      const [latent, data] = await Promise.all([
        getArrays("interpolate", { query: model.query(), json: this.body(waypoints) }),
        getArrays("interpolate", { query: model.query(), json: this.dataBody(waypoints) }),
      ]);
      if (model !== app.model || !this.visible) return;
      app.map.setPath(nested(latent.z));
      this.frames = rows(latent.outputs);
      byId("strips").replaceChildren(this.strip("through latent space", latent), this.strip("through data space", data));
      this.at = Math.min(this.at ?? 0, this.frames.length - 1);
      this.paintFrame();
    });
  }

  async resolve(waypoint) {
    const { model, state } = this.app;
    if (waypoint[0] !== "z") {
      return { name: waypoint, z: await this.app.codeOf(waypoint), item: waypoint, values: await model.valuesOf(waypoint) };
    }
    const z = roundedCode(waypoint.slice(1).split(","));
    return { name: waypoint, z, item: null, values: row(await model.decode([z], state.label), 0) };
  }

  body(waypoints) {
    const { model, state } = this.app;
    return { z: waypoints.map(({ z }) => z), steps: state.steps, method: state.method, ...model.labelled(state.label) };
  }

  dataBody(waypoints) {
    const { model, state } = this.app;
    const inputs = waypoints.map(({ values }) => nested({ shape: values.shape, data: Array.from(values.data) }));
    return { inputs, steps: state.steps, space: "data", ...model.labelled(state.label) };
  }

  strip(title, { outputs }) {
    const pictures = rows(outputs).map((item, i) => pictured(this.app.model.painter, item, `${title}, picture ${i + 1}`));
    return make("figure", { tabIndex: 0, aria: { label: `Strip ${title}` } }, make("figcaption", {}, title), make("div", { className: "frames" }, ...pictures));
  }

  list(waypoints) {
    const { app } = this;
    const replace = (names) => {
      app.set({ waypoints: names });
      void this.update();
    };
    const names = waypoints.map(({ name }) => name);
    byId("waypoints").replaceChildren(
      ...waypoints.map(({ values }, i) => {
        const earlier = make("button", { type: "button", disabled: i === 0, aria: { label: `Waypoint ${i + 1} earlier` } }, "◂");
        earlier.addEventListener("click", () => replace(names.toSpliced(i - 1, 2, names[i], names[i - 1])));
        const remove = make("button", { type: "button", aria: { label: `Remove waypoint ${i + 1}` } }, "×");
        remove.addEventListener("click", () => replace(names.toSpliced(i, 1)));
        return make("div", { className: "waypoint", aria: { role: "listitem" } }, pictured(app.model.painter, values, `Waypoint ${i + 1}`), make("div", {}, earlier, remove));
      }),
    );
  }

  paintFrame() {
    const canvas = byId("frame");
    this.app.model.painter.paint(canvas, this.frames[this.at], this.app.trail);
    canvas.dataset.at = this.at;
  }

  toggle() {
    if (this.timer) this.stop();
    else this.play();
  }

  play() {
    if (this.frames.length < 2) return;
    byId("play").textContent = "Stop";
    const step = () => {
      this.at = (this.at + 1) % this.frames.length;
      this.paintFrame();
      const fps = Math.min(50, Math.max(1, byId("fps").valueAsNumber || 12));
      this.timer = setTimeout(step, 1000 / (still() ? Math.min(fps, 2) : fps));
    };
    this.at = -1;
    step();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    byId("play").textContent = "Play";
  }

  saveGif() {
    return trying(byId("morph-error"), async () => {
      const { model } = this.app;
      const [height, width] = model.input.shape;
      const scale = Math.min(16, Math.max(1, Math.floor(GIF_PIXELS / Math.max(height, width))));
      const query = model.query({ scale, fps: Math.min(50, Math.max(1, byId("fps").valueAsNumber || 12)) });
      save(await getBlob("interpolate", "image/gif", { query, json: this.body(this.waypoints) }), "morph.gif");
    });
  }

  take() {
    const { model } = this.app;
    if ((this.waypoints?.length ?? 0) < 2) return null;
    return postTake("interpolate", model, this.body(this.waypoints), ['print(len(answer["t"]), "items from", answer["z"][0], "to", answer["z"][-1])']);
  }
}
