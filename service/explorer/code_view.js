// The code as sliders, each with its traversal: the decoded items along this dimension alone.

import { row } from "./arrays.js";
import { byId, make, short, trying } from "./page.js";
import { newest } from "./api.js";
import { bodyLines, postTake } from "./take.js";

const FIRST = 16;
const ALONG = 11; // items of a strip
const GAP = 2;

export class CodeView {
  constructor(app) {
    this.app = app;
    this.all = false;
    this.traverse = newest(() => this.traverseNow());
    app.addEventListener("code", () => this.follow());
    app.addEventListener("rest", () => this.visible && this.traverse());
    byId("all-sliders").addEventListener("click", () => {
      this.all = true;
      this.build();
    });
  }

  open() {
    this.all = false;
    this.build();
  }

  show() {
    this.visible = true;
    this.traverse();
  }

  hide() {
    this.visible = false;
  }

  refresh() {
    return this.traverse();
  }

  get dimensions() {
    return this.all ? this.app.model.widest : this.app.model.widest.slice(0, FIRST);
  }

  build() {
    const { model } = this.app;
    this.rows = this.dimensions.map((dimension) => this.slider(dimension));
    byId("sliders").replaceChildren(...this.rows.map(({ element }) => element));
    const more = byId("all-sliders");
    more.hidden = this.all || model.d <= FIRST;
    more.textContent = `All ${model.d} dimensions`;
    this.follow();
    if (this.visible) this.traverse();
  }

  slider(dimension) {
    const { low, high, deviation } = this.app.model.ranges[dimension];
    const id = `z${dimension}`;
    const input = make("input", { type: "range", id, min: low, max: high, step: (high - low) / 200 });
    input.addEventListener("input", () => {
      const z = [...this.app.state.z];
      z[dimension] = Number(input.value);
      this.app.setCode(z);
    });
    const value = make("output", { htmlFor: id });
    const strip = make("canvas", { className: "strip", aria: { role: "img", label: `Traversal of dimension ${dimension}` } });
    const label = make("label", { htmlFor: id, title: `deviation ${short(deviation)} among the held-out items` }, `z ${dimension}`);
    return { dimension, input, value, strip, element: make("div", { className: "slider" }, label, input, value, strip) };
  }

  follow() {
    const { z } = this.app.state;
    if (!z || !this.rows) return;
    for (const { dimension, input, value } of this.rows) {
      if (document.activeElement !== input || Number(input.value) !== z[dimension]) input.value = z[dimension];
      value.textContent = short(z[dimension]);
    }
  }

  async traverseNow() {
    const { app } = this;
    const { model } = app;
    const { z, label } = app.state;
    if (!z) return; // another model is being opened
    const shownRows = this.rows;
    const codes = shownRows.flatMap(({ dimension }) => {
      const { low, high } = model.ranges[dimension];
      return Array.from({ length: ALONG }, (_, i) => {
        const moved = [...z];
        moved[dimension] = low + ((high - low) * i) / (ALONG - 1);
        return moved;
      });
    });
    const outputs = await trying(byId("code-error"), () => model.decode(codes, label));
    if (!outputs || model !== app.model) return;
    const one = document.createElement("canvas");
    shownRows.forEach(({ strip }, at) => {
      for (let i = 0; i < ALONG; i += 1) {
        model.painter.paint(one, row(outputs, at * ALONG + i), app.trail);
        if (i === 0) Object.assign(strip, { width: ALONG * (one.width + GAP) - GAP, height: one.height });
        strip.getContext("2d").drawImage(one, i * (one.width + GAP), 0);
      }
    });
  }

  take() {
    const { model, state } = this.app;
    return postTake("decode", model, { z: [state.z], ...model.labelled(state.label) }, bodyLines("outputs", "the decoded item"));
  }
}
