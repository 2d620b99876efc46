// What the page gains from scripts: tables that sort and one timeline at a time that zooms. Everything is there without.
"use strict";
(() => {
  const make = (tag, attributes, text) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // Sorting. A heading becomes a button of the same looks; a cell's data-v is its plain number.
  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    return text === "\u2013" ? null : /^-?[\d,]+$/.test(text) ? Number(text.replaceAll(",", "")) : text;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const sort = (table, heading) => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const column = heading.cellIndex;
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: value(row, column) }));
    rows.sort((a, b) => {
      const order = compare(a.key, b.key);  // what is not known stays last either way
      return descending && a.key !== null && b.key !== null ? -order : order;
    });
    table.tBodies[0].append(...rows.map((entry) => entry.row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = make("button", { type: "button" });
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading));
    }
  }

  // Zooming, where the program was built with dygraphs.
  const Dygraph = window.Dygraph;
  if (!Dygraph) return;

  const bytes = (kib) => {
    let amount = kib * 1024, unit = 0;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    while (amount >= 999.5 && unit + 1 < units.length) { amount /= 1024; unit += 1; }
    return (unit === 0 ? String(amount) : amount.toPrecision(3)) + " " + units[unit];
  };
  const time = (us) => us < 1e3 ? us.toFixed(0) + " us" : us < 1e6 ? (us / 1e3).toPrecision(4) + " ms" : (us / 1e6).toFixed(3) + " s";
  const summed = (deltas) => {
    let sum = 0;
    return deltas.map((delta) => (sum += delta));
  };

  // The rows as they are for dygraphs: seconds, then the areas from the top down, as it stacks the last one lowest.
  const areas = [["file", "file-backed", "--file"], ["swap", "swapped out", "--swap"], ["shmem", "shared", "--shmem"],
                 ["anon", "anonymous", "--need"]];
  const read = (cell) => {
    const data = JSON.parse(document.getElementById("data-" + cell).textContent);
    for (const name of ["t", "anon", "shmem", "swap", "file", "weights", "staging"]) if (data[name]) data[name] = summed(data[name]);
    data.need = data.t.map((_, i) => ["anon", "shmem", "swap"].reduce((sum, name) => sum + (data[name] ? data[name][i] : 0), 0));
    return data;
  };
  const spoken = (data, i) => {
    const parts = [time(data.t[i]) + ": need " + bytes(data.need[i])];
    for (const [name, label] of [["swap", "swapped out"], ["file", "file-backed"], ["weights", "weights"], ["staging", "staging"]]) {
      if (data[name]) parts.push(label + " " + bytes(data[name][i]));
    }
    return parts.join(", ");
  };
  const ticks = (low, high) => {
    let step = 1;
    while ((high - low) / step > 5) step *= 2;
    const out = [];
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
      let amount = v, unit = 0;
      while (amount >= 1024 && unit < 3) { amount /= 1024; unit += 1; }
      out.push({ v, label: v === 0 ? "0" : Number(amount.toPrecision(6)) + " " + ["KiB", "MiB", "GiB", "TiB"][unit] });
    }
    return out;
  };

  let shown = null;  // one chart at a time
  const close = () => {
    if (!shown) return;
    const { graph, panel, still, button } = shown;
    shown = null;
    graph.destroy();
    panel.remove();
    still.style.display = "";
    button.textContent = "Zoom";
    button.setAttribute("aria-expanded", "false");
  };

  // Phases, the limit and the peak, painted over the areas; no text of the record's goes through dygraphs itself.
  const overlay = (data) => (event) => {
    const g = event.dygraph, canvas = event.drawingContext, area = g.getArea();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    canvas.save();
    canvas.beginPath();
    canvas.rect(area.x, area.y, area.w, area.h);
    canvas.clip();
    canvas.font = "600 12px " + getComputedStyle(document.body).fontFamily;
    canvas.textBaseline = "top";
    for (const [name, start] of data.phases) {
      const x = Math.round(g.toDomXCoord(start / 1e6)) + 0.5;
      canvas.strokeStyle = canvas.fillStyle = colour("--soft");
      canvas.setLineDash([1, 3]);
      canvas.beginPath();
      canvas.moveTo(x, area.y);
      canvas.lineTo(x, area.y + area.h);
      canvas.stroke();
      const end = data.phases.map((phase) => phase[1]).find((other) => other > start) ?? data.end;
      if (g.toDomXCoord(end / 1e6) - x > canvas.measureText(name).width + 8) canvas.fillText(name, x + 5, area.y + 4);
    }
    if (data.limit !== undefined) {
      const y = Math.round(g.toDomYCoord(data.limit)) + 0.5;
      canvas.strokeStyle = colour("--limit");
      canvas.setLineDash([6, 4]);
      canvas.beginPath();
      canvas.moveTo(area.x, y);
      canvas.lineTo(area.x + area.w, y);
      canvas.stroke();
    }
    canvas.setLineDash([]);
    canvas.strokeStyle = colour("--ink");
    canvas.fillStyle = colour("--paper");
    canvas.lineWidth = 2;
    canvas.beginPath();
    canvas.arc(g.toDomXCoord(data.peak[0] / 1e6), g.toDomYCoord(data.peak[1]), 4, 0, 7);
    canvas.fill();
    canvas.stroke();
    canvas.restore();
  };

  const open = (figure, button) => {
    close();
    const data = read(figure.dataset.cell);
    const still = figure.querySelector("svg.chart");
    const panel = make("div", { class: "zoom js" });
    const holder = make("div", { class: "plot", tabindex: "0", role: "application",
                                 "aria-label": "Timeline: left and right move, plus and minus zoom, 0 shows all" });
    const line = make("p", { class: "readout", "aria-live": "polite" }, "Drag to zoom, double click or 0 for all; arrow keys read values.");
    panel.append(holder, line);
    still.after(panel);
    still.style.display = "none";
    button.textContent = "Close the zoom";
    button.setAttribute("aria-expanded", "true");

    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const used = areas.filter(([name]) => data[name]);
    const all = [0, data.end / 1e6];
    const rows = data.t.map((t, i) => [t / 1e6, ...used.map(([name]) => data[name][i])]);
    const highest = Math.max(data.peak[1], ...data.t.map((_, i) => data.need[i] + (data.file ? data.file[i] : 0)));
    const graph = new Dygraph(holder, rows, {
      labels: ["t", ...used.map(([, label]) => label)],
      colors: used.map(([, , name]) => colour(name)),
      stackedGraph: true, stepPlot: true, fillAlpha: 1, strokeWidth: 0, legend: "never",
      dateWindow: all.slice(), valueRange: [0, (data.limit <= highest * 1.5 ? Math.max(highest, data.limit) : highest) * 1.06],
      axisLineColor: colour("--rule"), gridLineColor: colour("--grid"), drawHighlightPointCallback: () => {},
      axes: {
        x: { drawGrid: false, axisLabelFormatter: (v, _, __, g) => {
          const [from, to] = g.xAxisRange();
          return to - from < 0.05 ? (v * 1e3).toFixed(to - from < 0.005 ? 2 : 0) + " ms" : Number(v.toFixed(3)) + " s";
        } },
        y: { axisLabelWidth: 62, ticker: (low, high) => ticks(low, high), axisLabelFormatter: () => "" },
      },
      showRangeSelector: true, rangeSelectorHeight: 26, rangeSelectorPlotFillColor: colour("--need"),
      rangeSelectorPlotStrokeColor: colour("--need"), rangeSelectorPlotFillGradientColor: "",
      rangeSelectorForegroundStrokeColor: colour("--soft"), rangeSelectorBackgroundStrokeColor: colour("--rule"),
      highlightCallback: (_, x, points, row) => { at = row; line.textContent = spoken(data, row); },
      plugins: [{ activate: () => ({ didDrawChart: overlay(data) }) }],
    });
    let at = data.need.indexOf(Math.max(...data.need));

    holder.addEventListener("keydown", (event) => {
      const [from, to] = graph.xAxisRange();
      const zoom = (factor) => {
        const middle = Math.min(Math.max(data.t[at] / 1e6, from), to);
        const range = [Math.max(all[0], middle - (middle - from) * factor), Math.min(all[1], middle + (to - middle) * factor)];
        graph.updateOptions({ dateWindow: range });
      };
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        const far = Math.max(1, Math.round(data.t.length / 100)) * (event.shiftKey ? 10 : 1);
        at = Math.min(data.t.length - 1, Math.max(0, at + (event.key === "ArrowRight" ? far : -far)));
        graph.setSelection(at);
        line.textContent = spoken(data, at);
      } else if (event.key === "+" || event.key === "=") {
        zoom(0.5);
      } else if (event.key === "-") {
        zoom(2);
      } else if (event.key === "0" || event.key === "Home") {
        graph.updateOptions({ dateWindow: all.slice() });
      } else if (event.key === "Escape") {
        close();
        button.focus();
      } else {
        return;
      }
      event.preventDefault();
    });
    shown = { graph, panel, still, button, figure };
    holder.focus({ preventScroll: true });
  };

  for (const figure of document.querySelectorAll("figure[data-cell]")) {
    const button = make("button", { type: "button", class: "button js", "aria-expanded": "false" }, "Zoom");
    button.addEventListener("click", () => {
      if (shown && shown.figure === figure) close();
      else open(figure, button);
    });
    figure.querySelector(".key").append(button);
  }
  // A theme that changes, or paper, gets the drawing that is made for it.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", close);
  window.addEventListener("beforeprint", close);
})();
