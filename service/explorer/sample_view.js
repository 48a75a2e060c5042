// New items from a prior.

import { getArrays } from "./api.js";
import { rows } from "./arrays.js";
import { pictured } from "./drawing.js";
import { byId, make, trying } from "./page.js";
import { roundedCode } from "./state.js";
import { postTake } from "./take.js";

const NUMBERS = ["n", "seed", "temperature", "truncation"];

export class SampleView {
  constructor(app) {
    this.app = app;
    byId("sample-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.sample();
    });
    byId("new-seed").addEventListener("click", () => {
      byId("seed").value = Math.floor(Math.random() * 1e6);
      void this.sample();
    });
    app.addEventListener("label", () => this.visible && void this.sample());
  }

  open() {
    byId("sheet").replaceChildren();
    byId("sample-error").textContent = "";
    this.drawnFor = null;
    for (const name of [...NUMBERS, "prior"]) byId(name).value = this.app.state[name] ?? "";
  }

  show() {
    this.visible = true;
    if (!this.drawnFor) void this.sample({ drawn: this.app.state.drawn });
  }

  hide() {
    this.visible = false;
  }

  refresh() {
    return this.sample({ drawn: this.app.state.drawn });
  }

  sample({ drawn = null } = {}) {
    const { app } = this;
    const { model } = app;
    const read = (name) => (byId(name).value === "" ? null : byId(name).valueAsNumber);
    const changes = Object.fromEntries(NUMBERS.map((name) => [name, read(name)]));
    app.set({ ...changes, prior: byId("prior").value, drawn });
    return trying(byId("sample-error"), async () => {
      const answer = await getArrays("sample", { query: model.query(), json: this.body() });
      if (model !== app.model) return;
      this.drawnFor = model;
      const seed = Number(answer.seed.data[0]);
      app.set({ seed });
      byId("seed").value = seed;
      const codes = rows(answer.z).map(({ data }) => roundedCode(data));
      byId("sheet").replaceChildren(...rows(answer.outputs).map((item, i) => this.pickable(item, codes[i], i)));
      byId("sample-text").textContent = `${codes.length} samples of ${model.reference}, seed ${seed}.`;
    });
  }

  body() {
    const { model, state } = this.app;
    const { n, seed, temperature, truncation, prior } = state;
    return { n, seed, temperature, truncation, prior, ...model.labelled(state.label) };
  }

  pickable(item, z, i) {
    const { app } = this;
    const label = `Sample ${i + 1}`;
    const button = make("button", { type: "button", aria: { label, pressed: String(app.state.drawn === i) } }, pictured(app.model.painter, item, label));
    button.addEventListener("click", () => {
      for (const other of byId("sheet").children) other.setAttribute("aria-pressed", String(other === button));
      app.set({ drawn: i });
      void app.setCode(z);
    });
    return button;
  }

  take() {
    return postTake("sample", this.app.model, this.body(), ['print("seed", answer["seed"], "first code", answer["z"][0])']);
  }
}
