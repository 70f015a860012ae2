// Draws the charts, and makes the table of locations sortable and searchable. Everything that this
// script shows is in the page, so without it only the charts are missing.
"use strict";

const EMBED_OPTIONS = {
  mode: "vega-lite",
  renderer: "svg",
  actions: false,
  // Without these, the content security policy would block what Vega evaluates and adds.
  ast: true,
  defaultStyle: false,
  tooltip: { disableDefaultStyle: true },
};

async function drawChart(figure) {
  const place = figure.querySelector(".place");
  const fallback = [...place.childNodes];
  const target = document.createElement("div");
  target.className = "drawing";
  target.setAttribute("aria-hidden", "true"); // the place itself has the role of an image
  place.replaceChildren(target);
  try {
    const spec = JSON.parse(figure.querySelector("script.spec").textContent);
    const { view } = await vegaEmbed(target, spec, EMBED_OPTIONS);
    figure.vegaView = view;
    figure.dataset.state = "drawn";
  } catch (error) {
    place.replaceChildren(...fallback);
    figure.dataset.state = "failed";
    console.error(error);
  }
}

async function drawCharts() {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    await drawChart(figure);
  }
  document.documentElement.dataset.charts = "complete";
}

function compareCells(a, b, isNumber) {
  if (isNumber) {
    return Number(a.dataset.key) - Number(b.dataset.key);
  }
  return a.textContent.localeCompare(b.textContent, "en", { numeric: true });
}

function makeSortable(table) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headers.forEach((header, index) => {
    header.querySelector("button").addEventListener("click", () => {
      const isNumber = header.classList.contains("number");
      const first = isNumber ? "descending" : "ascending";
      const second = isNumber ? "ascending" : "descending";
      const order = header.getAttribute("aria-sort") === first ? second : first;
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...body.rows];
      rows.sort((a, b) => sign * compareCells(a.cells[index], b.cells[index], isNumber));
      body.append(...rows);
    });
  });
}

function makeSearchable(table, input, output) {
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      found += row.hidden ? 0 : 1;
    }
    output.textContent = words.length ? `${found} found` : "";
  });
}

const locations = document.getElementById("location-table");
makeSortable(locations);
makeSearchable(
  locations,
  document.getElementById("location-search"),
  document.getElementById("location-count"),
);
document.documentElement.classList.add("scripted");
drawCharts();
