const { models } = await (await fetch("models")).json();
document.querySelector("#models").replaceChildren(
  ...models.map(({ name }) => Object.assign(document.createElement("li"), { textContent: name })),
);
