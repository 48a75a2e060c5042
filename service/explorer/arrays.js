// NumPy's files: .npy (format 1.0 to 3.0) and the uncompressed .npz that the service answers.

const READERS = {
  "<f4": (buffer) => new Float32Array(buffer),
  "<f8": (buffer) => Float32Array.from(new Float64Array(buffer)),
  "<i8": (buffer) => Array.from(new BigInt64Array(buffer), Number),
  "<i4": (buffer) => new Int32Array(buffer),
  "|u1": (buffer) => new Uint8Array(buffer),
  "|b1": (buffer) => new Uint8Array(buffer),
};

/** @typedef {{shape: number[], data: ArrayLike<number>}} Values */

/** Texts of a fixed width, UTF-32 padded with zeros. */
const readTexts = (buffer, width) =>
  Array.from({ length: buffer.byteLength / (4 * width) }, (_, i) =>
    String.fromCodePoint(...new Uint32Array(buffer, 4 * width * i, width).filter(Boolean)),
  );

/** @param {ArrayBuffer} buffer @returns {Values} */
export function readNpy(buffer) {
  const view = new DataView(buffer);
  const long = view.getUint8(6) > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, start, length));
  const kind = /'descr':\s*'([^']+)'/.exec(header)[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)[1].split(",").filter((part) => part.trim()).map(Number);
  const values = buffer.slice(start + length);
  const text = /^<U(\d+)$/.exec(kind);
  return { shape, data: text ? readTexts(values, Number(text[1])) : READERS[kind](values) };
}

/** @param {ArrayBuffer} buffer @returns {Record<string, Values>} */
export function readNpz(buffer) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end -= 1;
  const found = {};
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const size = view.getUint32(at + 20, true);
    const nameLength = view.getUint16(at + 28, true);
    const local = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameLength));
    const data = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    found[name.replace(/\.npy$/, "")] = readNpy(buffer.slice(data, data + size));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return found;
}

/** Row i of (n, …), without its first axis. @param {Values} values */
export function row({ shape, data }, i) {
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  return { shape: shape.slice(1), data: data.slice(i * size, (i + 1) * size) };
}

/** (n, …) as an array of its rows. @param {Values} values @returns {Values[]} */
export function rows(values) {
  return Array.from({ length: values.shape[0] }, (_, i) => row(values, i));
}

/** As nested lists, for JSON. @param {Values} values */
export function nested({ shape, data }) {
  if (shape.length < 2) return Array.from(data);
  return rows({ shape, data }).map(nested);
}
