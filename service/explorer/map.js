// The map: codes of held-out items as points, the point that is looked at, what lies under and over them.

import { colourOf } from "./colours.js";
import { framed, settled, style } from "./page.js";
import { contour, density, quantile } from "./plane.js";

const HIT = 9; // pixels around a point that count as on it
const STEP = 0.02; // of the view, a press of an arrow key
const SHARES = [0.05, 0.2, 0.4, 0.6, 0.8]; // of the held-out codes outside of a contour
const FIELD = 120;
const UNDER = 15; // items a side of the manifold

export class CodeMap extends EventTarget {
  /**
   * Dispatches "move" with {z} while the point is moved, "pick" with {i} where an item is clicked,
   * "hover" with {i, x, y} or null, "view" when what is seen has changed.
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.model = null;
    this.paths = [];
    this.pointers = new Map();
    this.panning = false;
    this.underlay = null;
    this.draw = framed(() => this.drawNow());
    this.wantUnderlay = settled(() => this.dispatchEvent(new Event("underlay")), 150);
    new ResizeObserver(() => this.resized()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.draw);
    this.listen();
  }

  /** Show a model's map in a plane, with the classes that are hidden. */
  show(model, { plane, hidden, contours, manifold, at }, z) {
    const other = this.model !== model || this.plane !== plane;
    Object.assign(this, { model, plane, hidden: new Set(hidden), contours, manifold, z });
    this.points = new Float64Array(2 * model.size);
    for (let i = 0; i < model.size; i += 1) {
      const onMap = plane.of(model.codes.data.subarray(i * model.d, (i + 1) * model.d));
      // A one-dimensional code is spread by the order of its items, so that points do not hide each other.
      if (model.d === 1) onMap[1] = ((i * 0.618) % 1) - 0.5;
      this.points.set(onMap, 2 * i);
    }
    if (other) this.field = this.lines = null;
    if (at) this.at = at;
    else if (other || !this.at) this.fit();
    if (!manifold) this.underlay = null;
    this.draw();
    if (manifold) this.wantUnderlay();
  }

  /** See everything. */
  fit() {
    const [xs, ys] = [0, 1].map((axis) => this.points.filter((_, i) => i % 2 === axis));
    const [x0, x1, y0, y1] = [quantile(xs, 0.001), quantile(xs, 0.999), quantile(ys, 0.001), quantile(ys, 0.999)];
    this.at = [(x0 + x1) / 2, (y0 + y1) / 2, 1.15 * Math.max(x1 - x0, y1 - y0, 1e-3)];
  }

  /** Move the point without saying so. */
  moveTo(z) {
    this.z = z;
    this.draw();
    if (this.manifold && this.model.d > 2) this.wantUnderlay();
  }

  /** A path over the map: codes. */
  setPath(codes) {
    this.path = codes;
    this.draw();
  }

  /** The codes of a grid over what is seen, left to right and top to bottom. */
  underlayCodes() {
    const [x, y, span] = this.at;
    const base = this.model.d > 2 ? this.z : new Array(this.model.d).fill(0);
    const place = (k) => (k + 0.5) / UNDER - 0.5;
    const codes = [];
    for (let j = 0; j < UNDER; j += 1) {
      for (let i = 0; i < UNDER; i += 1) codes.push(this.plane.moved(base, x + span * place(i), y - span * place(j)));
    }
    return { codes, at: this.at, side: UNDER };
  }

  setUnderlay(image, at) {
    this.underlay = image && { image, at };
    this.draw();
  }

  // Geometry

  get scale() {
    return Math.min(this.width, this.height) / this.at[2];
  }

  toScreen(x, y) {
    return [this.width / 2 + (x - this.at[0]) * this.scale, this.height / 2 - (y - this.at[1]) * this.scale];
  }

  toMap(sx, sy) {
    return [this.at[0] + (sx - this.width / 2) / this.scale, this.at[1] - (sy - this.height / 2) / this.scale];
  }

  visible(i) {
    return !this.hidden.has(this.model.labels ? this.model.labels[i] : -1);
  }

  /** The visible item nearest to a place on the screen, if it is near. */
  hit(sx, sy) {
    let best = -1;
    let least = HIT * HIT;
    for (let i = 0; i < this.model.size; i += 1) {
      if (!this.visible(i)) continue;
      const [x, y] = this.toScreen(this.points[2 * i], this.points[2 * i + 1]);
      const distance = (x - sx) ** 2 + (y - sy) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  resized() {
    const { clientWidth, clientHeight } = this.canvas;
    this.sharp = devicePixelRatio || 1;
    [this.width, this.height] = [clientWidth, clientHeight];
    Object.assign(this.canvas, { width: Math.round(clientWidth * this.sharp), height: Math.round(clientHeight * this.sharp) });
    if (this.model) this.drawNow();
  }

  // Drawing

  drawNow() {
    if (!this.model || !this.width) return;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.sharp, 0, 0, this.sharp, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.drawUnderlay(pen);
    this.drawPoints(pen);
    if (this.contours) this.drawContours(pen);
    this.drawPath(pen);
    this.drawPoint(pen);
  }

  drawUnderlay(pen) {
    if (!this.underlay) return;
    const [x, y, span] = this.underlay.at;
    const [left, top] = this.toScreen(x - span / 2, y + span / 2);
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = 0.85;
    pen.drawImage(this.underlay.image, left, top, span * this.scale, span * this.scale);
    pen.globalAlpha = 1;
  }

  drawPoints(pen) {
    const radius = this.model.size > 1000 ? 2.2 : 3;
    const edge = this.underlay ? style("--card") : null;
    for (let i = 0; i < this.model.size; i += 1) {
      if (!this.visible(i)) continue;
      const [x, y] = this.toScreen(this.points[2 * i], this.points[2 * i + 1]);
      if (x < -4 || y < -4 || x > this.width + 4 || y > this.height + 4) continue;
      pen.fillStyle = colourOf(this.model.labels ? this.model.labels[i] : -1);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
      if (edge) {
        pen.strokeStyle = edge;
        pen.lineWidth = 0.8;
        pen.stroke();
      }
    }
  }

  drawContours(pen) {
    this.lines ??= this.contourLines();
    pen.strokeStyle = style("--text");
    pen.lineWidth = 1;
    pen.globalAlpha = 0.7;
    pen.beginPath();
    for (const [x0, y0, x1, y1] of this.lines) {
      pen.moveTo(...this.toScreen(x0, y0));
      pen.lineTo(...this.toScreen(x1, y1));
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  contourLines() {
    const mixture = this.plane.mixture(this.model.prior);
    const xs = this.points.filter((_, i) => i % 2 === 0);
    const ys = this.points.filter((_, i) => i % 2 === 1);
    const bounds = [xs, ys].map((values) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const margin = 0.25 * (high - low || 1);
      return [low - margin, high + margin];
    });
    const cell = bounds.map(([low, high]) => (high - low) / (FIELD - 1));
    const field = new Float64Array(FIELD * FIELD);
    for (let j = 0; j < FIELD; j += 1) {
      for (let i = 0; i < FIELD; i += 1) {
        field[j * FIELD + i] = density(mixture, bounds[0][0] + i * cell[0], bounds[1][0] + j * cell[1]);
      }
    }
    const own = Array.from(xs, (x, i) => density(mixture, x, ys[i]));
    return SHARES.flatMap((share) =>
      contour(field, FIELD, FIELD, quantile(own, share)).map((segment) =>
        segment.map((value, i) => bounds[i % 2][0] + value * cell[i % 2]),
      ),
    );
  }

  drawPath(pen) {
    if (!this.path?.length) return;
    pen.strokeStyle = style("--mark");
    pen.lineWidth = 2;
    pen.beginPath();
    for (const z of this.path) pen.lineTo(...this.toScreen(...this.plane.of(z)));
    pen.stroke();
  }

  drawPoint(pen) {
    if (!this.z) return;
    const [x, y] = this.toScreen(...this.plane.of(this.z));
    for (const [colour, width] of [[style("--card"), 6], [style("--mark"), 3]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(x, y, 9, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  // Hands and keys

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.say("hover", null));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.say("hover", null));
  }

  down(event) {
    if (!this.model) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.start = [event.offsetX, event.offsetY];
    this.dragged = false;
    this.gesture = this.pointers.size > 1 || this.panning || event.shiftKey || event.button === 1 ? "pan" : "move";
    this.say("hover", null);
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
  }

  moved(event) {
    if (!this.model) return;
    const here = [event.offsetX, event.offsetY];
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      const i = this.hit(...here);
      this.say("hover", i < 0 ? null : { i, x: here[0], y: here[1] });
      return;
    }
    if (Math.hypot(here[0] - this.start[0], here[1] - this.start[1]) > 3) this.dragged = true;
    if (this.pointers.size > 1) this.pinch(event.pointerId, here);
    else if (this.gesture === "pan") this.pan(here[0] - before[0], here[1] - before[1]);
    else if (this.dragged) this.put(...this.toMap(...here));
    this.pointers.set(event.pointerId, here);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || this.dragged || this.gesture === "pan") return;
    const i = this.hit(event.offsetX, event.offsetY);
    if (i >= 0) this.say("pick", { i });
    else this.put(...this.toMap(event.offsetX, event.offsetY));
  }

  pinch(id, here) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    const before = this.pointers.get(id);
    const distance = (a) => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
    this.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    this.zoom(distance(before) / distance(here), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
  }

  put(x, y) {
    const z = this.plane.moved(this.z, x, this.model.d === 1 ? 0 : y);
    this.say("move", { z });
  }

  pan(dx, dy) {
    this.at = [this.at[0] - dx / this.scale, this.at[1] + dy / this.scale, this.at[2]];
    this.viewChanged();
  }

  zoom(factor, sx = this.width / 2, sy = this.height / 2) {
    const [x, y] = this.toMap(sx, sy);
    const span = Math.min(1e4, Math.max(1e-3, this.at[2] * factor));
    const actual = span / this.at[2];
    this.at = [x + (this.at[0] - x) * actual, y + (this.at[1] - y) * actual, span];
    this.viewChanged();
  }

  reset() {
    this.fit();
    this.viewChanged();
  }

  viewChanged() {
    this.draw();
    this.say("view", null);
    if (this.manifold) this.wantUnderlay();
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = STEP * this.at[2];
    if (event.key in arrows) {
      const [dx, dy] = arrows[event.key].map((value) => value * step);
      if (event.shiftKey) {
        this.at = [this.at[0] + 5 * dx, this.at[1] + 5 * dy, this.at[2]];
        this.viewChanged();
      } else {
        const [x, y] = this.plane.of(this.z);
        this.put(x + dx, y + dy);
      }
    } else if (event.key === "+" || event.key === "=") this.zoom(0.8);
    else if (event.key === "-") this.zoom(1.25);
    else if (event.key === "0") this.reset();
    else if (event.key === "." || event.key === ",") this.step(event.key === "." ? 1 : -1);
    else return;
    event.preventDefault();
  }

  /** To the next visible held-out item, from the one nearest to the point. */
  step(by) {
    const { size } = this.model;
    let i = this.stepped ?? this.model.nearest(this.z, 1)[0] - by;
    for (let tries = 0; tries < size; tries += 1) {
      i = (i + by + size) % size;
      if (this.visible(i)) break;
    }
    this.stepped = i;
    this.say("pick", { i });
  }

  say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
