// A pad to draw on, and what is drawn as the data set's images are: as large, and as far from the middle.

const KEY_STEP = 10;

export class Pad extends EventTarget {
  /** Dispatches "stroke" when a stroke has ended. @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.pen = canvas.getContext("2d", { willReadFrequently: true });
    this.width = 22;
    this.cursor = [canvas.width / 2, canvas.height / 2];
    this.isDown = false;
    this.dark = false;
    this.clear();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.drawing && this.to(...this.place(event)));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.end());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Light strokes on dark, or the other way round. */
  setDark(onLight) {
    this.dark = onLight;
    this.clear();
  }

  clear() {
    this.pen.fillStyle = this.dark ? "#fff" : "#000";
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.isEmpty = true;
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = true;
    this.last = this.place(event);
    this.to(...this.last);
  }

  end() {
    if (!this.drawing) return;
    this.drawing = false;
    this.dispatchEvent(new Event("stroke"));
  }

  place(event) {
    const scale = this.canvas.width / this.canvas.clientWidth;
    return [event.offsetX * scale, event.offsetY * scale];
  }

  to(x, y) {
    Object.assign(this.pen, { strokeStyle: this.dark ? "#000" : "#fff", lineWidth: this.width, lineCap: "round" });
    this.pen.beginPath();
    this.pen.moveTo(...this.last);
    this.pen.lineTo(x, y);
    this.pen.stroke();
    this.last = [x, y];
    this.isEmpty = false;
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in arrows) {
      const [dx, dy] = arrows[event.key];
      const inside = (value) => Math.min(this.canvas.width, Math.max(0, value));
      const next = [inside(this.cursor[0] + dx * KEY_STEP), inside(this.cursor[1] + dy * KEY_STEP)];
      this.last = this.cursor;
      if (this.isDown) this.to(...next);
      this.cursor = next;
    } else if (event.key === " ") {
      this.isDown = !this.isDown;
      this.last = this.cursor;
      if (this.isDown) this.to(...this.cursor);
      else this.dispatchEvent(new Event("stroke"));
    } else return;
    event.preventDefault();
  }

  /**
   * The drawing on a canvas of the model's size, scaled and centred like a data set's images.
   * @param {{longer: number, centre: number[]}} habit the share of the longer side that things take, and their
   * centre of mass as shares of the sides
   */
  like({ longer, centre }, width, height) {
    const { canvas, dark } = this;
    const from = massOf(this.pen.getImageData(0, 0, canvas.width, canvas.height), dark);
    const scale = (longer * Math.max(width, height)) / Math.max(from.right - from.left, from.bottom - from.top);
    const place = (size, middle, share, low, high) => {
      const offset = share * size - middle * scale;
      const roomLow = -low * scale;
      const roomHigh = size - high * scale;
      return roomLow <= roomHigh ? Math.min(roomHigh, Math.max(roomLow, offset)) : offset;
    };
    const x = place(width, from.x, centre[0], from.left, from.right);
    const y = place(height, from.y, centre[1], from.top, from.bottom);
    return reduced(canvas, dark, width, height, x, y, scale);
  }
}

/** Draw in halves, so that no stroke falls between the pixels of the small picture. */
function reduced(canvas, dark, width, height, x, y, scale) {
  const sharp = 4;
  const large = Object.assign(document.createElement("canvas"), { width: sharp * width, height: sharp * height });
  const pen = large.getContext("2d");
  pen.fillStyle = dark ? "#fff" : "#000";
  pen.fillRect(0, 0, large.width, large.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(canvas, sharp * x, sharp * y, sharp * scale * canvas.width, sharp * scale * canvas.height);
  const small = Object.assign(document.createElement("canvas"), { width, height });
  const fine = small.getContext("2d", { willReadFrequently: true });
  fine.imageSmoothingQuality = "high";
  fine.drawImage(large, 0, 0, width, height);
  return small;
}

/** Box and centre of mass of what stands out, in pixels; null where nothing does. */
export function massOf({ data, width, height }, dark) {
  let [left, top, right, bottom, mass, x, y] = [width, height, 0, 0, 0, 0, 0];
  for (let j = 0; j < height; j += 1) {
    for (let i = 0; i < width; i += 1) {
      const at = 4 * (j * width + i);
      const grey = (data[at] + data[at + 1] + data[at + 2]) / 765;
      const ink = dark ? 1 - grey : grey;
      if (ink < 0.1) continue;
      [left, top, right, bottom] = [Math.min(left, i), Math.min(top, j), Math.max(right, i + 1), Math.max(bottom, j + 1)];
      [mass, x, y] = [mass + ink, x + ink * (i + 0.5), y + ink * (j + 0.5)];
    }
  }
  return mass ? { left, top, right, bottom, x: x / mass, y: y / mass } : null;
}

/** How the images of a sprite lie in their frames, and whether they are dark on light. */
export function habitOf(model, items = 200) {
  const [height, width] = model.input.shape;
  const canvas = document.createElement("canvas");
  const images = Array.from({ length: Math.min(items, model.size) }, (_, k) => {
    model.paintItem(canvas, Math.floor((k * model.size) / Math.min(items, model.size)));
    return canvas.getContext("2d").getImageData(0, 0, width, height);
  });
  const border = images.map(({ data }) => data[0] + data[4 * (width - 1)] + data[4 * width * (height - 1)]).sort((a, b) => a - b);
  const dark = border[Math.floor(border.length / 2)] > 1.5 * 255;
  const found = images.map((image) => massOf(image, dark)).filter(Boolean);
  if (!found.length) return { longer: 0.7, centre: [0.5, 0.5], dark };
  const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return {
    longer: middle(found.map((box) => Math.max((box.right - box.left) / width, (box.bottom - box.top) / height))),
    centre: [middle(found.map((box) => box.x / width)), middle(found.map((box) => box.y / height))],
    dark,
  };
}
