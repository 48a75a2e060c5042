// Items as pictures: images pixel by pixel, vectors and sequences as plots.

import { style } from "./page.js";

const SHARP = 2; // canvas pixels of a plot for one of the page

/** What a kind of item needs to be drawn: the manifest's input, and for plots the held-out items. */
export class Painter {
  /** @param {object} input the manifest's `input` @param {import("./arrays.js").Values | null} context items (m, …) */
  constructor(input, context) {
    this.input = input;
    this.isImage = input.kind === "image";
    this.isPlane = input.kind === "vector" && input.shape[0] === 2;
    const [height, width] = this.isImage ? input.shape : [120, 120];
    this.width = width;
    this.height = height;
    this.context = context;
    this.range = this.isImage ? input.value_range : extent(context);
  }

  /** Width and height of the canvas that an item is put onto. */
  get size() {
    return this.isImage ? [this.width, this.height] : [SHARP * this.width, SHARP * this.height];
  }

  /** Put an item onto a canvas of its own size; `trail` are further items, for a plane's curve. */
  paint(canvas, item, trail = null) {
    if (this.isImage) this.pixels(canvas, item.data, (value) => this.grey(value));
    else if (this.isPlane) this.plane(canvas, item, trail);
    else this.lines(canvas, item);
  }

  /** What is left between two items: blue where the second is lower, red where it is higher. */
  paintDifference(canvas, before, after) {
    if (!this.isImage) {
      this.lines(canvas, { shape: before.shape, data: Array.from(before.data, (value, i) => after.data[i] - value) }, true);
      return;
    }
    const [height, width, channels] = this.input.shape;
    const span = this.range[1] - this.range[0];
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i += 1) {
      let sum = 0;
      for (let c = 0; c < channels; c += 1) sum += after.data[i * channels + c] - before.data[i * channels + c];
      const part = Math.max(-1, Math.min(1, sum / channels / span));
      const fade = Math.round(255 * (1 - Math.abs(part)));
      image.data.set(part > 0 ? [255, fade, fade, 255] : [fade, fade, 255, 255], 4 * i);
    }
    sized(canvas, width, height).putImageData(image, 0, 0);
  }

  /** 0…255 of a value of the range. */
  grey(value) {
    const [low, high] = this.range;
    return Math.round((255 * (value - low)) / (high - low));
  }

  pixels(canvas, data, grey) {
    const [height, width, channels] = this.input.shape;
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i += 1) {
      for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = grey(data[i * channels + (channels === 3 ? c : 0)]);
      image.data[4 * i + 3] = 255;
    }
    sized(canvas, width, height).putImageData(image, 0, 0);
  }

  /** Two columns: the data, the decoded curve, and the item. */
  plane(canvas, item, trail) {
    const [pen, side] = plot(canvas, this.width, this.height);
    const at = (x, y) => [8 + (side - 16) * share(x, this.range[0]), side - 8 - (side - 16) * share(y, this.range[1])];
    pen.fillStyle = style("--faint");
    for (let i = 0; i < this.context.shape[0]; i += 1) {
      const [x, y] = at(this.context.data[2 * i], this.context.data[2 * i + 1]);
      pen.fillRect(x - 0.75, y - 0.75, 1.5, 1.5);
    }
    if (trail) {
      pen.strokeStyle = style("--accent");
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let i = 0; i < trail.shape[0]; i += 1) pen.lineTo(...at(trail.data[2 * i], trail.data[2 * i + 1]));
      pen.stroke();
    }
    pen.fillStyle = style("--mark");
    pen.beginPath();
    pen.arc(...at(item.data[0], item.data[1]), 4, 0, 2 * Math.PI);
    pen.fill();
  }

  /** Columns side by side, or a line a feature over the steps of a sequence. */
  lines(canvas, item, aroundZero = false) {
    const [pen, side] = plot(canvas, this.width, this.height);
    const [steps, features] = item.shape.length === 2 ? item.shape : [item.shape[0], 1];
    let [low, high] = wide(this.range);
    if (aroundZero) [low, high] = [-(high - low) / 2, (high - low) / 2];
    const at = (t, value) => [6 + ((side - 12) * t) / Math.max(1, steps - 1), side - 6 - (side - 12) * share(value, [low, high])];
    pen.strokeStyle = style("--faint");
    pen.beginPath();
    pen.moveTo(...at(0, 0));
    pen.lineTo(...at(steps - 1, 0));
    pen.stroke();
    for (let feature = 0; feature < features; feature += 1) {
      pen.strokeStyle = feature ? style("--accent") : style("--mark");
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let t = 0; t < steps; t += 1) pen.lineTo(...at(t, item.data[t * features + feature]));
      pen.stroke();
    }
  }
}

/** A canvas with an item on it. */
export function pictured(painter, item, label) {
  const canvas = document.createElement("canvas");
  canvas.className = "picture";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  painter.paint(canvas, item);
  return canvas;
}

/** Lowest and highest of each feature; one pair for all steps of a sequence. */
function extent(context) {
  const last = context.shape.at(-1);
  const features = context.shape.length === 2 ? last : 1;
  return Array.from({ length: features }, (_, feature) => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = feature; i < context.data.length; i += features) {
      low = Math.min(low, context.data[i]);
      high = Math.max(high, context.data[i]);
    }
    const margin = 0.05 * (high - low || 1);
    return [low - margin, high + margin];
  });
}

const wide = (ranges) => [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
const share = (value, [low, high]) => (value - low) / (high - low);

function sized(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return canvas.getContext("2d");
}

function plot(canvas, width, height) {
  const pen = sized(canvas, SHARP * width, SHARP * height);
  pen.setTransform(SHARP, 0, 0, SHARP, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, Math.min(width, height)];
}
