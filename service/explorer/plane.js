// Between codes and the two coordinates that the map draws, and the fitted prior's density there.

/** A plane: coordinates = matrix · z + offset, matrix two rows of d. */
export class Plane {
  constructor(matrix, offset) {
    this.matrix = matrix;
    this.offset = offset;
    this.back = pseudoInverse(matrix);
  }

  /** Of two dimensions of the code itself. */
  static ofDimensions(d, across, up) {
    const axis = (which) => Array.from({ length: d }, (_, i) => (i === which ? 1 : 0));
    return new Plane([axis(across), up < d ? axis(up) : axis(-1)], [0, 0]);
  }

  /** (d) -> (x, y) */
  of(z) {
    return this.matrix.map((weights, i) => this.offset[i] + dot(weights, z));
  }

  /** The code at (x, y) that differs from z as little as can be. */
  moved(z, x, y) {
    const [dx, dy] = this.of(z).map((value, i) => [x, y][i] - value);
    return Array.from(z, (value, i) => value + this.back[i][0] * dx + this.back[i][1] * dy);
  }

  /** A mixture over codes as one over the plane: [{weight, mean, precision, scale}]. A flat one is given some width. */
  mixture(prior) {
    const k = prior.weights.length;
    const d = this.matrix[0].length;
    return Array.from({ length: k }, (_, c) => {
      const mean = this.of(prior.means.slice(c * d, (c + 1) * d));
      const covariance = (a, b) => {
        let sum = 0;
        for (let i = 0; i < d; i += 1) {
          if (!this.matrix[a][i]) continue;
          for (let j = 0; j < d; j += 1) {
            sum += this.matrix[a][i] * prior.covariances[(c * d + i) * d + j] * this.matrix[b][j];
          }
        }
        return sum;
      };
      const [xx, yy, xy] = [covariance(0, 0), covariance(1, 1) || 1e-4, covariance(0, 1)];
      const det = Math.max(xx * yy - xy * xy, 1e-12);
      const precision = [yy / det, xx / det, -xy / det];
      return { mean, precision, scale: prior.weights[c] / (2 * Math.PI * Math.sqrt(det)) };
    });
  }
}

/** Density of a mixture on the plane at (x, y). */
export function density(mixture, x, y) {
  let sum = 0;
  for (const { mean, precision, scale } of mixture) {
    const [dx, dy] = [x - mean[0], y - mean[1]];
    sum += scale * Math.exp(-0.5 * (precision[0] * dx * dx + precision[1] * dy * dy + 2 * precision[2] * dx * dy));
  }
  return sum;
}

/**
 * Line segments where a field crosses a level: marching squares, linear between the corners.
 * @param {Float64Array} field (height, width), row by row
 * @returns {number[][]} [x0, y0, x1, y1] in cells
 */
export function contour(field, width, height, level) {
  const segments = [];
  for (let y = 0; y + 1 < height; y += 1) {
    for (let x = 0; x + 1 < width; x += 1) {
      const corners = [field[y * width + x], field[y * width + x + 1], field[(y + 1) * width + x + 1], field[(y + 1) * width + x]];
      const places = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
      const crossings = [];
      for (let side = 0; side < 4; side += 1) {
        const [a, b] = [corners[side], corners[(side + 1) % 4]];
        if (a < level === b < level) continue;
        const t = (level - a) / (b - a);
        const [from, to] = [places[side], places[(side + 1) % 4]];
        crossings.push(from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1]));
      }
      for (let i = 0; i + 3 < crossings.length; i += 4) segments.push(crossings.slice(i, i + 4));
    }
  }
  return segments;
}

/** The value below which a share of the values lies. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))];
}

const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
};

/** Of two rows of d, by their Gram matrix; rows that are zero move nothing. (d, 2) */
function pseudoInverse([a, b]) {
  const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
  const det = aa * bb - ab * ab;
  if (det <= 1e-12 * Math.max(aa, bb) ** 2) return Array.from(a, (value) => [aa ? value / aa : 0, 0]);
  return Array.from(a, (_, i) => [(bb * a[i] - ab * b[i]) / det, (aa * b[i] - ab * a[i]) / det]);
}
