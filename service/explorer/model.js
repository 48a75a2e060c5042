// One version of a model, with what the page knows about it: its manifest, its held-out items and their map.

import { getArray, getArrays, getBlob, getJson } from "./api.js";
import { nested, row, rows } from "./arrays.js";
import { Painter } from "./drawing.js";
import { Plane, quantile } from "./plane.js";
import { roundedCode } from "./state.js";

const SHARES = [0.005, 0.995];

/** Load the version that a reference such as NAME or NAME@3 means. Raises Problem. */
export async function openModel(reference) {
  const [name, version] = reference.split("@");
  const about = await getJson(`models/${name}${version ? `/versions/${version}` : ""}`);
  const own = `models/${about.name}/versions/${about.version}`;
  const isImage = about.manifest?.input.kind === "image";
  const [map, sprite] = await Promise.all([
    getArrays(`${own}/map`, { query: { inputs: !isImage } }),
    isImage ? getBlob(`${own}/map`, "image/png").then(createImageBitmap) : null,
  ]);
  return new Model(about, map, sprite);
}

export class Model {
  constructor(about, map, sprite) {
    this.about = about;
    this.manifest = about.manifest;
    this.reference = `${about.name}@${about.version}`;
    this.input = about.manifest.input;
    this.d = about.manifest.latent.dim;
    this.size = map.codes.shape[0];
    this.codes = map.codes;
    this.labels = map.labels?.data ?? null;
    this.inputs = map.inputs ?? null;
    this.sprite = sprite;
    this.prior = Object.fromEntries(["weights", "means", "covariances"].map((part) => [part, map[`prior.${part}`].data]));
    const matrix = rows(map["projection.matrix"]).map(({ data }) => Array.from(data));
    this.projection = new Plane(matrix, Array.from(map["projection.offset"].data));
    this.painter = new Painter(this.input, this.inputs);
    this.ranges = Array.from({ length: this.d }, (_, i) => this.rangeOf(i));
    /** Dimensions, the widest first. */
    this.widest = this.ranges.map((_, i) => i).sort((a, b) => this.ranges[b].deviation - this.ranges[a].deviation);
  }

  get isImage() {
    return this.painter.isImage;
  }

  get classNames() {
    return this.input.class_names ?? this.countedNames;
  }

  get countedNames() {
    return this.labels ? Array.from({ length: 1 + Math.max(...this.labels) }, (_, i) => String(i)) : [];
  }

  nameOf(label) {
    return this.classNames[label] ?? String(label);
  }

  rangeOf(dimension) {
    const values = Float64Array.from({ length: this.size }, (_, i) => this.codes.data[i * this.d + dimension]);
    const [low, high] = SHARES.map((share) => quantile(values, share));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
    const least = Math.max(high - low, 1e-3);
    return { low: Math.min(low, mean - least / 2), high: Math.max(high, mean + least / 2), mean, deviation };
  }

  /** The plane that a name such as "map" or "0,3" means; null where the code has no such dimensions. */
  planeOf(name) {
    if (name === "map") return this.projection;
    const [across, up] = name.split(",").map(Number);
    return across < this.d && up < this.d && across !== up ? Plane.ofDimensions(this.d, across, up) : null;
  }

  /** The code of a held-out item. */
  codeOf(i) {
    return roundedCode(this.codes.data.subarray(i * this.d, (i + 1) * this.d));
  }

  /** Held-out items nearest to a code, by Euclidean distance. */
  nearest(z, k) {
    const best = [];
    for (let i = 0; i < this.size; i += 1) {
      let distance = 0;
      for (let j = 0; j < this.d; j += 1) distance += (this.codes.data[i * this.d + j] - z[j]) ** 2;
      if (best.length < k || distance < best[best.length - 1].distance) {
        best.push({ i, distance });
        best.sort((a, b) => a.distance - b.distance);
        best.length = Math.min(best.length, k);
      }
    }
    return best.map(({ i }) => i);
  }

  /** Where an item stands on the sprite. */
  place(i) {
    const [height, width] = this.input.shape;
    const columns = Math.ceil(Math.sqrt(this.size));
    return { x: (i % columns) * width, y: Math.floor(i / columns) * height, width, height };
  }

  /** Paint held-out item i. */
  paintItem(canvas, i) {
    if (!this.isImage) {
      this.painter.paint(canvas, row(this.inputs, i));
      return;
    }
    const { x, y, width, height } = this.place(i);
    Object.assign(canvas, { width, height });
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(this.sprite, x, y, width, height, 0, 0, width, height);
  }

  // Items: "h12" is a held-out one, "p…" a PNG, "v1,2,3" a vector or, row after row, a sequence.

  /** Why a reference is no item of this model, or null. */
  complaint(item) {
    const text = item.slice(1);
    if (item[0] === "h") return Number(text) < this.size && /^\d+$/.test(text) ? null : `there is no held-out item ${text}`;
    if (item[0] === "p") return this.isImage ? null : "the model takes no pictures";
    const size = this.input.shape.reduce((a, b) => a * b, 1);
    const values = text.split(",");
    if (this.isImage) return "the model takes pictures";
    return values.length === size ? null : `an item has ${size} numbers, not ${values.length}`;
  }

  /** As a value of a JSON body: a data URL, or numbers. */
  bodyOf(item) {
    const text = item.slice(1);
    if (item[0] === "p") return `data:image/png;base64,${text.replaceAll("-", "+").replaceAll("_", "/")}`;
    if (item[0] === "v") return shaped(text.split(",").map(Number), this.input.shape);
    if (!this.isImage) return nested(row(this.inputs, Number(text)));
    const canvas = document.createElement("canvas");
    this.paintItem(canvas, Number(text));
    return canvas.toDataURL("image/png");
  }

  /** The part of a JSON body that holds items. */
  itemsBody(items) {
    return { [this.isImage ? "images" : "inputs"]: items.map((item) => this.bodyOf(item)) };
  }

  /** An item's values as the model sees them. */
  async valuesOf(item) {
    if (!this.isImage) {
      const data = [this.bodyOf(item)].flat(3);
      return { shape: this.input.shape, data };
    }
    const canvas = document.createElement("canvas");
    if (item[0] === "h") this.paintItem(canvas, Number(item.slice(1)));
    else {
      const image = Object.assign(new Image(), { src: this.bodyOf(item) });
      await image.decode();
      const [height, width] = this.input.shape;
      Object.assign(canvas, { width, height });
      canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
    }
    return this.fromPixels(canvas);
  }

  /** A canvas of the model's size, as values of its range. */
  fromPixels(canvas) {
    const [height, width, channels] = this.input.shape;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const [low, high] = this.input.value_range;
    const values = new Float32Array(height * width * channels);
    for (let i = 0; i < values.length; i += 1) {
      const from = channels === 3 ? 4 * Math.floor(i / 3) + (i % 3) : 4 * i;
      values[i] = low + ((high - low) * data[from]) / 255;
    }
    return { shape: this.input.shape, data: values };
  }

  // Requests. `label` is a class index, used where the model takes labels.

  query(extra = {}) {
    return { model: this.reference, ...extra };
  }

  labelled(label) {
    return this.input.conditional ? { labels: Array.isArray(label) ? label : [label] } : {};
  }

  /** Codes (n lists of d) to outputs (n, …). */
  decode(codes, label) {
    return getArray("decode", { query: this.query(), json: { z: codes, ...this.labelled(label) } });
  }
}

const shaped = (values, shape) =>
  shape.length === 1 ? values : Array.from({ length: shape[0] }, (_, i) => values.slice(i * shape[1], (i + 1) * shape[1]));
