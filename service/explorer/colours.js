// One colour a class: apart from each other for most eyes, by day and by night.

const HUES = ["#4e79a7", "#f28e2b", "#e15759", "#59b5ae", "#59a14f", "#d4ac0d", "#b07aa1", "#ff7a90", "#9c755f", "#8a8f98"];

/** @param {number} label a class index, or -1 where there is none */
export const colourOf = (label) => (label < 0 ? "#4e79a7" : HUES[label % HUES.length]);
