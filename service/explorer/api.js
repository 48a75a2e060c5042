// The public HTTP API, as any other client sees it.

import { readNpy, readNpz } from "./arrays.js";

/** The service's root, whatever prefix a proxy puts before it. */
export const ROOT = new URL("..", import.meta.url);

const NPY = "application/x-npy";
const NPZ = "application/x-npz";

/** An answer that is no success, in the API's words. */
export class Problem extends Error {
  /** @param {number} status 0 where no answer came @param {string | null} kind the last part of the problem's type */
  constructor(status, detail, kind = null, retryAfterS = null) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.retryAfterS = retryAfterS;
  }

  /** Whether trying again may help: a version that has failed stays so. */
  get passes() {
    return this.status === 0 || ([502, 503, 504].includes(this.status) && this.kind !== "not-ready");
  }
}

/** Dispatches "lost" with a Problem, and "back". */
export const connection = new EventTarget();
let waiting = false;

/** The URL of a path with a query; null values are left out. */
export function url(path, query = {}) {
  const made = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") made.searchParams.set(name, value);
  }
  return made;
}

/**
 * @param {string} path
 * @param {{query?: object, json?: unknown, body?: Blob, type?: string, accept?: string}} options
 * @returns {Promise<Response>} Raises Problem.
 */
export async function call(path, { query, json, body, type, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  const posts = json !== undefined || body !== undefined;
  if (posts) headers["Content-Type"] = json === undefined ? type : "application/json";
  let response;
  try {
    response = await fetch(url(path, query), {
      method: posts ? "POST" : "GET",
      headers,
      body: json === undefined ? body : JSON.stringify(json),
    });
  } catch {
    throw reported(new Problem(0, "The server does not answer."));
  }
  if (response.ok) return response;
  throw reported(await problemOf(response));
}

export const getJson = async (path, options) => (await call(path, options)).json();
export const getArrays = async (path, options) =>
  readNpz(await (await call(path, { ...options, accept: NPZ })).arrayBuffer());
export const getArray = async (path, options) =>
  readNpy(await (await call(path, { ...options, accept: NPY })).arrayBuffer());
export const getBlob = async (path, accept, options) => (await call(path, { ...options, accept })).blob();

/**
 * A function that works on the newest value alone: so many calls at a time, what came meanwhile but the last is dropped.
 * Where there are several at a time, `work` has to see to it that an older one does not overtake.
 */
export function newest(work, atATime = 1) {
  let next = null;
  const running = new Set();
  return (...given) => {
    next = given;
    if (running.size < atATime) {
      const lane = (async () => {
        try {
          while (next) {
            const value = next;
            next = null;
            await work(...value);
          }
        } finally {
          running.delete(lane); // at once: what is asked for from here on needs another one
        }
      })();
      running.add(lane);
    }
    return Promise.all(running);
  };
}

async function problemOf(response) {
  const retry = Number(response.headers.get("Retry-After")) || null;
  try {
    const { detail, title, type } = await response.json();
    return new Problem(response.status, detail || title, type.split("/").at(-1), retry);
  } catch {
    return new Problem(response.status, `The server answered ${response.status}.`, null, retry);
  }
}

function reported(problem) {
  if (problem.passes) {
    connection.dispatchEvent(new CustomEvent("lost", { detail: problem }));
    if (!waiting) void waitForServer(problem.retryAfterS ?? 1);
  }
  return problem;
}

async function waitForServer(firstS) {
  waiting = true;
  for (let delayS = Math.min(firstS, 5); waiting; delayS = 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * delayS));
    try {
      if ((await fetch(url("livez"), { cache: "no-store" })).ok) waiting = false;
    } catch {
      // still away
    }
  }
  connection.dispatchEvent(new Event("back"));
}
