// Items that a person brings: drawn, dropped, pasted, typed, or picked from the held-out ones.

import { getBlob, Problem } from "./api.js";
import { byId, make, short, trying } from "./page.js";
import { habitOf, Pad } from "./pad.js";
import { postTake } from "./take.js";

const SHOWN = 40;

export class YoursView {
  constructor(app) {
    this.app = app;
    this.pad = new Pad(byId("pad"));
    this.turn = 0;
    this.brought = 0;
    const error = byId("yours-error");
    this.pad.addEventListener("stroke", () => this.useDrawing());
    byId("pen").addEventListener("input", (event) => Object.assign(this.pad, { width: Number(event.target.value) }));
    byId("pad-clear").addEventListener("click", () => {
      this.pad.clear();
      error.textContent = "";
    });
    byId("pad-use").addEventListener("click", () => this.useDrawing());
    byId("values-use").addEventListener("click", () => this.useValues());
    byId("file").addEventListener("change", (event) => this.useFile(event.target.files[0]));
    byId("gallery-class").addEventListener("change", () => this.fillGallery(0));
    byId("gallery-more").addEventListener("click", () => this.fillGallery(this.turn + 1));
    byId("yours-waypoint").addEventListener("click", () => app.addWaypoint(app.state.item));
    this.listenForFiles(byId("drop"));
  }

  listenForFiles(drop) {
    for (const name of ["dragover", "dragenter"]) {
      document.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? drop.classList.remove("over"));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.bring(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const file = event.clipboardData.files[0];
      if (file) this.bring(file);
    });
  }

  /** A file that came from anywhere on the page. */
  bring(file) {
    this.app.choose("yours");
    return this.useFile(file);
  }

  open() {
    const { model } = this.app;
    byId("draw-field").hidden = byId("file-field").hidden = !model.isImage;
    byId("vector-field").hidden = model.isImage;
    byId("yours-error").textContent = "";
    byId("verdict").hidden = true;
    if (model.isImage) {
      this.habit = habitOf(model);
      this.pad.setDark(this.habit.dark);
    }
    const classes = byId("gallery-class");
    classes.replaceChildren(make("option", { value: "" }, "all"), ...model.classNames.map((name, i) => make("option", { value: i }, name)));
    classes.parentElement.hidden = !model.labels;
    this.fillGallery(0);
  }

  show() {
    if (this.app.state.item && byId("verdict").hidden) void this.judge();
  }

  hide() {}

  refresh() {
    return this.app.state.item ? this.judge() : undefined;
  }

  fillGallery(turn) {
    const { model } = this.app;
    const wanted = byId("gallery-class").value;
    const fitting = Array.from({ length: model.size }, (_, i) => i).filter((i) => wanted === "" || model.labels[i] === Number(wanted));
    this.turn = (turn * SHOWN) % Math.max(1, fitting.length) < SHOWN && turn > 0 && fitting.length <= SHOWN * turn ? 0 : turn;
    const shown = fitting.slice(this.turn * SHOWN, (this.turn + 1) * SHOWN);
    byId("gallery").replaceChildren(...shown.map((i) => this.pickable(i)));
  }

  pickable(i) {
    const { model } = this.app;
    const picture = make("canvas", { className: "picture", aria: { hidden: "true" } });
    model.paintItem(picture, i);
    const label = `Held-out item ${i}${model.labels ? `, ${model.nameOf(model.labels[i])}` : ""}`;
    const button = make("button", { type: "button", title: label, aria: { label }, data: { item: `h${i}` } }, picture);
    button.addEventListener("click", () => this.use(`h${i}`));
    return button;
  }

  useDrawing() {
    return trying(byId("yours-error"), () => {
      if (this.pad.isEmpty) throw new Problem(422, "Nothing is drawn yet.");
      const { input } = this.app.model;
      const small = this.pad.like(this.habit, input.shape[1], input.shape[0]);
      return this.encode(pngItem(small.toDataURL("image/png")));
    });
  }

  useValues() {
    const values = byId("values").value.split(/[\s,;]+/).filter(Boolean);
    return trying(byId("yours-error"), () => {
      const wrong = values.find((value) => !Number.isFinite(Number(value)));
      if (wrong !== undefined) throw new Problem(422, `“${wrong.slice(0, 20)}” is not a number.`);
      return this.encode(`v${values.map(Number).join(",")}`);
    });
  }

  /** The server brings a file to the model's input; its picture of that is the item from here on. */
  useFile(file) {
    if (!file) return undefined;
    byId("file").value = "";
    const isLast = this.bringing();
    return trying(byId("yours-error"), async () => {
      const { model } = this.app;
      if (!model.isImage) throw new Problem(415, "This model takes numbers, not files.");
      const query = model.query({
        fit: byId("fit-how").value,
        invert: byId("invert").checked || null,
        ...(model.input.conditional ? { labels: this.app.state.label } : {}),
      });
      const type = file.type || "application/octet-stream";
      const both = await createImageBitmap(await getBlob("reconstruct", "image/png", { query, body: file, type }));
      if (!isLast()) return;
      const [height, width] = model.input.shape;
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      canvas.getContext("2d").drawImage(both, 0, 0, width, height, 0, 0, width, height);
      await this.encode(pngItem(canvas.toDataURL("image/png")), isLast);
    });
  }

  /** Encode an item, put it on the map and judge it. */
  use(item) {
    return trying(byId("yours-error"), () => this.encode(item));
  }

  /** Whether what is brought now is still what the person brought last. @returns {() => boolean} */
  bringing() {
    const { model } = this.app;
    this.brought += 1;
    const turn = this.brought;
    return () => turn === this.brought && model === this.app.model;
  }

  /** The same, unless something else was brought meanwhile; raises Problem. */
  async encode(item, isLast = this.bringing()) {
    const { app } = this;
    if (item[0] === "h" && app.model.labels && app.model.input.conditional) app.setLabel(app.model.labels[Number(item.slice(1))]);
    const z = await app.codeOf(item);
    if (!isLast()) return;
    void app.setCode(z, { item });
    await this.judgeNow();
  }

  judge() {
    return trying(byId("yours-error"), () => this.judgeNow());
  }

  async judgeNow() {
    const { app } = this;
    const { model } = app;
    const { item, label } = app.state;
    const answer = await app.ask("reconstruct", { ...model.itemsBody([item]), ...model.labelled(label) });
    const before = await model.valuesOf(item);
    const after = { shape: model.input.shape, data: answer.outputs[0].flat(2) };
    if (model !== app.model || item !== app.state.item) return;
    model.painter.paint(byId("original"), before);
    model.painter.paint(byId("reconstruction"), after, app.trail);
    model.painter.paintDifference(byId("difference"), before, after);
    const [score, percentile, odd] = ["score", "percentile", "is_anomaly"].map((part) => answer.anomaly[part][0]);
    byId("verdict-text").textContent =
      `${odd ? "An anomaly" : "Not an anomaly"}: the reconstruction error is ${short(score)}, higher than that of ` +
      `${percentile.toFixed(1)} % of the held-out items; the threshold is ${short(answer.anomaly.threshold)}.`;
    const verdict = byId("verdict");
    verdict.dataset.item = item;
    verdict.hidden = false;
  }

  take() {
    const { model, state } = this.app;
    const item = state.item ?? "h0";
    return postTake("reconstruct", model, { ...model.itemsBody([item]), ...model.labelled(state.label) }, [
      'print("z", answer["z"][0])',
      'print("anomaly score", answer["anomaly"]["score"][0], "percentile", answer["anomaly"]["percentile"][0])',
    ]);
  }
}

const pngItem = (dataUrl) => `p${dataUrl.split(",")[1].replaceAll("+", "-").replaceAll("/", "_")}`;
