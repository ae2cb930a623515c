"use strict";
// What htmx does not do: keys, hover cards, the lineage's pan and zoom, the cursor of the outcome matrix, copying.

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
document.documentElement.classList.add("js");

// A choice in a form with data-auto takes effect at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-auto] select")) event.target.form.requestSubmit();
});

// The page that was asked for is on its way; a page that nobody looks at asks for nothing.
addEventListener("beforeunload", () => document.body.classList.add("busy"));
addEventListener("pageshow", () => document.body.classList.remove("busy"));
document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = one(copy.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      copy.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }
  if (event.target.closest("#keys-button")) one("#keys").showModal();
  if (event.target.closest("#fold-all")) foldAll();
});

function foldAll() {
  const steps = all("details.step");
  const open = !steps.every((step) => step.open);
  for (const step of steps) step.open = open;
  const button = one("#fold-all");
  if (button) button.textContent = open ? "Fold all" : "Unfold all";
}

// Hover cards

const tip = one("#tip");
const cards = new Map();
let wanted = null;

function place(x, y) {
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 18 + height > innerHeight ? Math.max(8, y - height - 12) : y + 18}px`;
}

async function showCard(link, x, y) {
  const key = `/programs/${link.dataset.card}/card?run=${encodeURIComponent(link.dataset.run || "")}`;
  wanted = key;
  if (!cards.has(key)) {
    const answer = await fetch(key);
    if (!answer.ok) return;
    cards.set(key, await answer.text());
  }
  if (wanted !== key) return;
  tip.innerHTML = cards.get(key); // our own template, which escapes
  place(x, y);
}

function hideCard() { wanted = null; tip.hidden = true; }

document.addEventListener("pointerover", (event) => {
  const link = event.target.closest?.("[data-card]");
  if (link && event.pointerType !== "touch") showCard(link, event.clientX, event.clientY);
});
document.addEventListener("pointerout", (event) => { if (event.target.closest?.("[data-card]")) hideCard(); });
document.addEventListener("focusin", (event) => {
  const link = event.target.closest?.("[data-card]");
  if (!link || !link.matches(":focus-visible")) return;
  const box = link.getBoundingClientRect();
  showCard(link, box.left, box.bottom);
});
document.addEventListener("focusout", hideCard);

// Lineage: the view box is what is seen

const tree = one("#tree");
let zoomTree = () => {};
let panTree = () => {};
if (tree) {
  const svg = one("svg", tree);
  const whole = { x: 0, y: 0, w: Number(svg.dataset.width), h: Number(svg.dataset.height) };
  let view;
  const show = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
  const fit = () => {
    const box = tree.getBoundingClientRect();
    const scale = Math.min(1.15, Math.max(0.8, Math.min(box.width / whole.w, box.height / whole.h)));
    view = { x: 0, y: 0, w: box.width / scale, h: box.height / scale };
    if (whole.h < view.h) view.y = (whole.h - view.h) / 2;
    show();
  };
  fit();
  zoomTree = (factor, x = view.x + view.w / 2, y = view.y + view.h / 2) => {
    if (!factor) {
      const box = tree.getBoundingClientRect();
      const scale = Math.min(box.width / whole.w, box.height / whole.h);
      view = { x: 0, y: 0, w: box.width / scale, h: box.height / scale };
    } else {
      const w = Math.min(Math.max(view.w / factor, 120), 40000);
      const by = w / view.w;
      view = { x: x - (x - view.x) * by, y: y - (y - view.y) * by, w, h: view.h * by };
    }
    show();
  };
  panTree = (dx, dy) => { view.x += dx * view.w; view.y += dy * view.h; show(); };
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    return [view.x + ((event.clientX - box.left) / box.width) * view.w, view.y + ((event.clientY - box.top) / box.height) * view.h];
  };
  svg.setAttribute("preserveAspectRatio", "xMinYMin slice");
  tree.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomTree(Math.exp(-event.deltaY * 0.0015), ...point(event));
  }, { passive: false });
  const held = new Map();
  let moved = 0;
  tree.addEventListener("pointerdown", (event) => { held.set(event.pointerId, event); moved = 0; });
  tree.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const box = svg.getBoundingClientRect();
    if (held.size === 1) {
      const dx = event.clientX - before.clientX;
      const dy = event.clientY - before.clientY;
      moved += Math.abs(dx) + Math.abs(dy);
      panTree(-dx / box.width, -dy / box.height);
      if (moved > 4) { tree.classList.add("dragging"); hideCard(); }
    } else {
      const [other] = [...held.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
      const gap = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
      moved = 99;
      zoomTree(gap(event) / Math.max(1, gap(before)), ...point(event));
    }
    held.set(event.pointerId, event);
  });
  const release = (event) => { held.delete(event.pointerId); tree.classList.remove("dragging"); };
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) tree.addEventListener(end, release);
  tree.addEventListener("click", (event) => { if (moved > 4) event.preventDefault(); }, true);
  tree.addEventListener("dragstart", (event) => event.preventDefault());
  for (const button of all("[data-zoom]")) button.addEventListener("click", () => zoomTree(Number(button.dataset.zoom)));
}

// Outcomes: one cursor over all cells

const heat = one("#heat");
let moveCursor = () => {};
let openCell = () => {};
if (heat) {
  const svg = one("svg", heat);
  const cursor = one(".cursor", svg);
  const { cells, columns, cellWidth, cellHeight } = svg.dataset;
  const [tasks, rows, names] = ["tasks", "rows", "names"].map((name) => JSON.parse(svg.dataset[name]));
  let at = null;
  const show = (row, column, event) => {
    at = [Math.max(0, Math.min(rows.length - 1, row)), Math.max(0, Math.min(tasks.length - 1, column))];
    cursor.setAttribute("x", at[1] * cellWidth);
    cursor.setAttribute("y", at[0] * cellHeight);
    cursor.setAttribute("visibility", "visible");
    const cell = cells[at[0] * columns + at[1]];
    const score = cell === "." ? "no rollout" : `${Math.round(parseInt(cell, 16) * 10)}%`;
    const words = `${names[at[0]]} on ${tasks[at[1]]}: ${score}`;
    one("#heat-words").textContent = words;
    if (event) { tip.textContent = words; place(event.clientX, event.clientY); }
  };
  const under = (event) => {
    const box = svg.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top - 24) / cellHeight), Math.floor((event.clientX - box.left) / cellWidth)];
  };
  svg.addEventListener("pointermove", (event) => show(...under(event), event));
  svg.addEventListener("pointerleave", hideCard);
  openCell = () => {
    if (at && cells[at[0] * columns + at[1]] !== ".") location.href = `/rollouts/${rows[at[0]]}?task=${encodeURIComponent(tasks[at[1]])}`;
  };
  svg.addEventListener("click", (event) => { show(...under(event)); openCell(); });
  moveCursor = (down, across) => {
    if (at) show(at[0] + down, at[1] + across); else show(0, 0);
    cursor.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
}

// Keys

let row = -1;
function moveRow(by) {
  const links = all("[data-rows] .row-link").filter((link) => link.offsetParent !== null);
  if (!links.length) return;
  row = Math.max(0, Math.min(links.length - 1, row + by));
  links[row].focus();
  links[row].scrollIntoView({ block: "nearest" });
}

const arrows = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key;
  const follow = (selector) => one(selector)?.click();
  let done = true;
  if (key === "/") one("#find").focus();
  else if (key === "?") one("#keys").showModal();
  else if (key === "j") moveRow(1);
  else if (key === "k") moveRow(-1);
  else if (key === "[") follow("a[rel=prev]");
  else if (key === "]") follow("a[rel=next]");
  else if (key === "h" && before === "g") location.href = "/";
  else if (key === "e") foldAll();
  else if (key === "Escape") hideCard();
  else if (/^[1-6]$/.test(key)) all(".tabs a")[Number(key) - 1]?.click();
  else if (tree && "+=-0".includes(key)) zoomTree({ "+": 1.3, "=": 1.3, "-": 0.77, 0: 0 }[key]);
  else if (key in arrows && tree?.contains(event.target)) panTree(arrows[key][1] * 0.15, arrows[key][0] * 0.15);
  else if (key in arrows && event.target === heat) moveCursor(...arrows[key]);
  else if (key === "Enter" && event.target === heat) openCell();
  else done = false;
  before = key;
  if (done) event.preventDefault();
});
