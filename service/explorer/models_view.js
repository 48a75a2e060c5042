// What the service holds, and what the report of the open version says.

import { getJson, url } from "./api.js";
import { byId, make, short, trying } from "./page.js";
import { getTake } from "./take.js";

const NAMES = {
  mse: "reconstruction error (mse)",
  bce: "binary cross-entropy per element, nats",
  nll: "negative log-likelihood, nats per item",
  kl: "kl from the prior, nats per item",
  elbo: "ELBO, nats per item",
  knn_accuracy: "nearest neighbours' accuracy on the codes",
  active_units: "dimensions in use",
};

export class ModelsView {
  constructor(app) {
    this.app = app;
  }

  open() {
    byId("about").replaceChildren();
    this.told = null;
  }

  show() {
    this.visible = true;
    void this.list();
    if (this.told !== this.app.model) void this.tell();
  }

  hide() {
    this.visible = false;
  }

  refresh() {
    this.told = null;
    this.show();
  }

  list() {
    return trying(byId("models-error"), async () => {
      const { models } = await getJson("models");
      const listed = JSON.stringify([models, this.app.model?.reference]);
      if (listed === this.listed) return; // who stands on a button of it stays there
      this.listed = listed;
      const head = ["Model", "Version", "State", "Engine", "Kind", "Aliases", ""].map((text) => make("th", { scope: "col" }, text));
      const body = models.flatMap((model) => model.versions.toReversed().map((version) => this.versionRow(model, version)));
      byId("models-table").replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
    });
  }

  versionRow(model, version) {
    const reference = `${model.name}@${version.version}`;
    const open = make("button", { type: "button", disabled: reference === this.app.model?.reference, aria: { label: `Open ${reference}` } }, "Open");
    open.addEventListener("click", () => void this.app.switchTo(reference));
    const state = make("td", {}, version.state);
    if (version.reason) state.append(make("div", { className: "error" }, version.reason));
    return make("tr", {}, make("td", {}, model.name, model.default ? make("span", { className: "quiet" }, " default") : null), make("td", {}, String(version.version)), state, ...[version.engine, version.family, version.aliases.join(", ")].map((text) => make("td", {}, text || "–")), make("td", {}, open));
  }

  async tell() {
    const { model } = this.app;
    this.told = model;
    const { manifest } = model;
    const links = model.about.links.report;
    const about = byId("about");
    about.replaceChildren(
      make("h3", {}, model.reference),
      make("p", {}, `${manifest.intended_use} ${manifest.family}; ${manifest.input.kind} ${manifest.input.shape.join(" × ")}; code of ${manifest.latent.dim}, ${manifest.latent.distribution}; trained on ${manifest.dataset.name} (${manifest.dataset.licence}).`),
      make("h3", {}, "On held-out items"),
      metricsTable(manifest.metrics),
      make("h3", {}, "Diagnosis"),
      await this.diagnosis(links["diagnosis.json"]),
      make("h3", {}, "Report"),
      make("div", { className: "figures" }, ...Object.entries(links).filter(([name]) => /\.(png|gif)$/.test(name)).map(([name, path]) => figure(name, path))),
    );
  }

  async diagnosis(path) {
    if (!path) return make("p", { className: "quiet" }, "The version has none.");
    const found = await trying(byId("models-error"), () => getJson(path));
    const findings = found?.findings ?? [];
    if (!findings.length) return make("p", {}, "Nothing that would have to be changed.");
    return make("ul", { className: "findings" }, ...findings.map(({ text }) => make("li", {}, text)));
  }

  take() {
    const [name, version] = this.app.model.reference.split("@");
    return getTake(`models/${name}/versions/${version}`, ['print(answer["state"], answer["manifest"]["metrics"])']);
  }
}

/** Ours beside PCA's of the same dimension. */
function metricsTable(metrics) {
  const names = Object.keys(metrics).filter((name) => !name.startsWith("pca_"));
  const head = ["", "model", "PCA, same dimension"].map((text) => make("th", { scope: "col" }, text));
  const cell = (value) => make("td", { className: "number" }, value === undefined ? "–" : short(value));
  const body = names.map((name) => make("tr", {}, make("th", { scope: "row" }, NAMES[name] ?? name.replaceAll("_", " ")), cell(metrics[name]), cell(metrics[`pca_${name}`])));
  return make("div", { className: "wide", tabIndex: 0, aria: { role: "region", label: "Metrics" } }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
}

function figure(name, path) {
  const title = name.replace(/\.\w+$/, "").replaceAll(/[-_/]/g, " ") + (name.endsWith(".gif") ? ", through training" : "");
  return make("figure", {}, make("a", { href: url(path).href }, make("img", { src: url(path).href, alt: `Report: ${title}`, loading: "lazy" })), make("figcaption", {}, title));
}
