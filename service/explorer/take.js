// Requests as lines that run elsewhere.

import { url } from "./api.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A JSON value as Python writes it. */
function pythonic(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(pythonic).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, part]) => `${JSON.stringify(key)}: ${pythonic(part)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** What a script does with the answer. */
export const bodyLines = (field, what) => [`print(answer[${JSON.stringify(field)}])  # ${what}`];

/** A posted verb: {curl, python}. */
export function postTake(path, model, json, lines) {
  const to = url(path, model.query()).href;
  return {
    curl: `curl -s ${quoted(to)} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(json))}`,
    python: [
      "import json",
      "import urllib.request",
      "",
      `body = ${pythonic(json)}`,
      "request = urllib.request.Request(",
      `    ${JSON.stringify(to)}, json.dumps(body).encode(), {"Content-Type": "application/json"}`,
      ")",
      "with urllib.request.urlopen(request) as reply:",
      "    answer = json.load(reply)",
      ...lines,
    ].join("\n"),
  };
}

/** A GET: {curl, python}. */
export function getTake(path, lines) {
  const to = url(path).href;
  return {
    curl: `curl -s ${quoted(to)}`,
    python: [
      "import json",
      "import urllib.request",
      "",
      `with urllib.request.urlopen(${JSON.stringify(to)}) as reply:`,
      "    answer = json.load(reply)",
      ...lines,
    ].join("\n"),
  };
}
