"use strict";
// What scripts add to the page: sorting, strategies that can be switched off, tooltips, a choice of theme.
(() => {
  const root = document.documentElement;
  const hidden = new Set();
  const views = [];

  // Theme: the system's, until a reader chooses.
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { theme.textContent = isDark() ? "Light page" : "Dark page"; };
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); });
  system.addEventListener("change", name);
  name();

  // Sorting: a button in every heading; empty values stay at the end.
  const value = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.v ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  for (const heading of document.querySelectorAll("table.sortable thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const place = heading.cellIndex;
      const numeric = heading.classList.contains("n");
      const before = heading.getAttribute("aria-sort");
      const next = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
      for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      for (const body of heading.closest("table").tBodies) {
        const rows = [...body.rows];
        rows.sort((a, b) => {
          const [x, y] = [value(a, place), value(b, place)];
          if (x === "" || y === "") return (x === "") - (y === "");
          return sign * compare(x, y);
        });
        body.append(...rows);
      }
    });
  }

  // Strategies that are switched off disappear from charts, tables and examples.
  const show = () => {
    for (const item of document.querySelectorAll("[data-strategy]")) {
      item.classList.toggle("off", hidden.has(item.dataset.strategy));
    }
    for (const view of views) view.signal("hidden", [...hidden]).runAsync();
  };
  const strategies = document.getElementById("strategies");
  if (strategies) {
    strategies.hidden = false;
    strategies.addEventListener("change", (event) => {
      if (event.target.checked) hidden.delete(event.target.value);
      else hidden.add(event.target.value);
      show();
    });
  }

  // Charts: the static picture is replaced by a live one when it comes near the window.
  const start = async (box) => {
    const spec = JSON.parse(document.querySelector(`script[data-for="${box.id}"]`).textContent);
    spec.width = Math.max(box.clientWidth, 320); // as wide as its place, with letters of full size
    const place = document.createElement("div");
    const tooltip = { disableDefaultStyle: true };
    const options = { renderer: "svg", actions: false, defaultStyle: false, tooltip, downloadFileName: box.id };
    const { view } = await window.vegaEmbed(place, spec, options);
    view.signal("hidden", [...hidden]);
    await view.runAsync();
    box.replaceChildren(place);
    box.dataset.live = "";
    views.push(view);
  };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      start(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const box of document.querySelectorAll(".chart")) watcher.observe(box);

  // On paper nothing is folded away.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const item of opened) item.open = true;
  });
  addEventListener("afterprint", () => { for (const item of opened) item.open = false; });
})();
