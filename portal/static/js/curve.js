// The day curve: draws what the page's own drawing shows, with axes, a reading glass and live points.
"use strict";

(() => {
  const host = document.querySelector("[data-curve]");
  if (!host || typeof uPlot === "undefined") return;

  const { formats } = document.documentElement.dataset;
  const words = JSON.parse(document.documentElement.dataset.words);
  const zone = host.dataset.zone;
  const readout = document.querySelector("[data-readout]");
  const summary = readout ? readout.textContent : "";
  const clock = new Intl.DateTimeFormat(formats, { timeZone: zone, timeStyle: "short" });
  const GAP_S = 900;
  const HOUR_S = 3600;

  const tell = (text) => readout && (readout.textContent = text);
  const time = (seconds) => clock.format(new Date(seconds * 1000));
  const digits = (value, count) =>
    value.toLocaleString(formats, { minimumFractionDigits: count, maximumFractionDigits: count });
  const power = (watts) =>
    Math.abs(watts) < 999.5 ? `${digits(watts, 0)}\u00a0W` : `${digits(watts / 1000, 2)}\u00a0kW`;

  // A custom property keeps its text; only a used colour is resolved for light or dark.
  function colour(name) {
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    host.append(probe);
    const used = getComputedStyle(probe).color;
    probe.remove();
    return used;
  }
  const faded = (used, percent) => `color-mix(in oklab, ${used} ${percent}%, transparent)`;

  let plot = null;
  let data = null;
  const hiddenLines = new Set();

  function series() {
    const sun = colour("--sun-strong");
    const others = [colour("--energy"), colour("--night"), colour("--danger"), colour("--muted")];
    return Object.keys(data.lines).map((label, index) => ({
      label,
      show: !hiddenLines.has(label),
      stroke: index === 0 ? sun : others[(index - 1) % others.length],
      width: index === 0 ? 2.25 : 1.25,
      fill: index === 0 ? faded(sun, 22) : undefined,
      points: { show: false },
    }));
  }

  function options() {
    const axis = { stroke: colour("--muted"), font: `12px ${getComputedStyle(host).fontFamily}`, ticks: { show: false } };
    const grid = { stroke: colour("--line"), width: 1 };
    const narrow = host.clientWidth < 520;
    return {
      width: host.clientWidth,
      height: host.clientHeight,
      legend: { show: false },
      padding: [10, 22, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      scales: { x: { time: true, range: () => [data.start, data.end] }, y: { range: (_, low, high) => [Math.min(low, 0), Math.max(high * 1.08, 10)] } },
      axes: [
        { ...axis, size: 34, grid: { show: false }, incrs: [narrow ? 4 * HOUR_S : 2 * HOUR_S], values: (_, splits) => splits.map(time) },
        { ...axis, grid, size: 62, values: (_, splits) => splits.map((watts) => axisPower(watts, splits)) },
      ],
      series: [{}, ...series()],
      hooks: { setCursor: [readUnderCursor] },
    };
  }

  function axisPower(watts, splits) {
    const top = Math.max(...splits.map(Math.abs));
    if (top < 1000) return `${digits(watts, 0)} W`;
    return `${digits(watts / 1000, splits.some((one) => one % 1000) ? 1 : 0)} kW`;
  }

  function readUnderCursor(drawn) {
    const index = drawn.cursor.idx;
    if (index === null || index === undefined) return tell(summary);
    const told = Object.entries(data.lines)
      .filter(([label, values]) => !hiddenLines.has(label) && values[index] !== null && values[index] !== undefined)
      .map(([label, values], place) => (place === 0 && label === "total" ? power(values[index]) : `${named(label)} ${power(values[index])}`));
    tell(told.length ? `${time(data.times[index])}: ${told.join(", ")}` : `${time(data.times[index])}: ${words.nothing}`);
  }

  function draw() {
    if (!data || !data.times.length) return;
    if (plot) plot.destroy();
    for (const fallback of document.querySelectorAll("[data-fallback]")) fallback.hidden = true;
    host.replaceChildren();
    plot = new uPlot(options(), [data.times, ...Object.values(data.lines)], host);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", summary);
  }

  function legend() {
    const labels = Object.keys(data.lines);
    if (labels.length < 2 || document.querySelector("[data-legend]")) return;
    const list = document.createElement("fieldset");
    list.className = "legend";
    list.dataset.legend = "";
    const name = document.createElement("legend");
    name.className = "visually-hidden";
    name.textContent = words.lines;
    list.append(name);
    labels.slice(1).forEach((label, index) => {
      const box = document.createElement("input");
      box.type = "checkbox";
      hiddenLines.add(label);
      box.addEventListener("change", () => {
        hiddenLines[box.checked ? "delete" : "add"](label);
        plot.setSeries(index + 2, { show: box.checked });
      });
      const line = document.createElement("label");
      line.append(box, ` ${named(label)}`);
      list.append(line);
    });
    host.after(list);
  }

  function addLive(event) {
    if (!data || !("todayCurve" in host.dataset) || event.id !== host.dataset.inverterId) return;
    if (event.watts === null || !event.reading_at) return;
    const at = Date.parse(event.reading_at) / 1000;
    const last = data.times.at(-1);
    if ((last !== undefined && at <= last) || at >= data.end) return;
    const lines = Object.entries(data.lines);
    if (last !== undefined && at - last > GAP_S) {
      data.times.push(last + GAP_S / 2);
      for (const [, values] of lines) values.push(null);
    }
    data.times.push(at);
    for (const [label, values] of lines) values.push(label === "total" ? event.watts : liveOf(label, event.values));
    if (plot) plot.setData([data.times, ...Object.values(data.lines)]);
    else draw();
  }

  const named = (label) => data.names[label] ?? label;

  function liveOf(label, values) {
    const name = label === "battery" ? "battery_power" : `dc_pv${label.split(" ")[1]}_power`;
    return name in values ? values[name] : null;
  }

  new ResizeObserver(() => {
    if (plot && host.clientWidth) plot.setSize({ width: host.clientWidth, height: host.clientHeight });
  }).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("deye:inverter", (message) => addLive(message.detail));

  fetch(host.dataset.curve, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`${answer.status}`))))
    .then((found) => {
      data = found;
      if (!data.lines.total) data.lines = { total: [], ...data.lines };
      legend();
      draw();
      host.dataset.drawn = "";
    })
    .catch(() => tell(`${summary} ${words.old}`));
})();
