// The timeline of a recording: probabilities, events and signals over one axis of time.
//
// timeline_data.js decodes what the page holds, and chooses how much of it a view needs. uPlot draws
// the two plots and their axes. This file draws the events, and answers mouse, touch and keys.
// Nothing is fetched.
"use strict";
(function () {
  const {
    data, channels, classes, whole, stretches, decided, times, curves,
    curvePoints, signalPoints, firstAfter,
    timeText, momentText, spanText, short, digitsFor, ticks,
  } = timeline;
  const at = (id) => document.getElementById(id);
  const root = at("timeline");
  const references = data.strips[1]?.events ?? [];

  // ---- The view --------------------------------------------------------------------------------

  const full = [0, data.duration];
  const least = Math.min(data.duration, whole ? 20 * Math.min(...stretches.map((s) => s.step)) : 1,
    1);
  let view = [...full];
  let selected = null;
  let amplitude = 1;
  let pending = false;

  function show(from, to) {
    const span = Math.min(Math.max(to - from, least), data.duration);
    const start = Math.min(Math.max((from + to - span) / 2, 0), data.duration - span);
    view = [start, start + span];
    redraw();
  }

  const zoom = (factor, anchor = (view[0] + view[1]) / 2) =>
    show(anchor - (anchor - view[0]) * factor, anchor + (view[1] - anchor) * factor);
  const pan = (share) => {
    const by = (view[1] - view[0]) * share;
    const held = Math.min(Math.max(by, -view[0]), data.duration - view[1]);
    show(view[0] + held, view[1] + held);
  };

  function goTo(event) {
    selected = event;
    const room = Math.max(event.duration, data.window, least * 4);
    show(event.onset - room, event.onset + event.duration + room);
    for (const row of document.querySelectorAll("tr[aria-current]")) row.removeAttribute("aria-current");
    const place = data.strips[event.source].events.indexOf(event);
    at(`${event.source ? "reference" : "event"}-${place}`)?.setAttribute("aria-current", "true");
  }

  function step(direction, events = decided) {
    if (!events.length) return;
    const from = selected ? events.indexOf(selected) : -1;
    const middle = (view[0] + view[1]) / 2;
    const later = events.findIndex((event) => event.onset >= (isAll() ? 0 : middle));
    const firstLater = later < 0 ? events.length : later;
    const next = from >= 0 ? from + direction : direction > 0 ? firstLater : firstLater - 1;
    goTo(events[Math.min(Math.max(next, 0), events.length - 1)]);
  }

  const isAll = () => view[1] - view[0] >= data.duration * 0.999;

  // ---- Colours ---------------------------------------------------------------------------------

  let style = getComputedStyle(root);
  const ink = (name) => style.getPropertyValue(`--${name}`).trim();
  const colour = (k) => ink(`class-${k % 8}`);
  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
  const dash = (k) => DASHES[(k + Math.floor(k / 8)) % 4];
  const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

  // ---- Plots -----------------------------------------------------------------------------------

  function scaleText(scale) {
    const told = new Map(channels.map(({ group, unit, kind }) => [group,
      `${short(scale.get(group))} ${unit || "(no unit)"}${kind ? ` (${kind})` : ""}`]));
    return `Height of a row: ${[...told.values()].join(", ")}.`;
  }

  const RIGHT = 30;
  let gutter = 92, plots = {};
  const cut = (context, text, most) => {
    if (context.measureText(text).width <= most) return text;
    const letters = [...text];
    while (letters.length && context.measureText(letters.join("") + "…").width > most) letters.pop();
    return letters.join("") + "…";
  };
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = FONT;

  function axes(values, splits) {
    const shared = { stroke: () => ink("muted"), font: FONT, grid: { stroke: () => ink("line"), width: 1 },
      ticks: { stroke: () => ink("line"), width: 1, size: 5 } };
    return [
      { ...shared, size: 30, gap: 3,
        splits: (u, i, from, to) => ticks(from, to, u.over.clientWidth),
        values: (u, found) => found.map((t) => timeText(t, digitsFor(found[1] - found[0]))) },
      { ...shared, size: gutter, gap: 3, splits, values,
        grid: { ...shared.grid, show: true }, ticks: { ...shared.ticks, show: false } },
    ];
  }

  function plot(target, height, range, series, yAxis, over) {
    const options = {
      width: root.clientWidth, height, padding: [8, RIGHT, 0, 0], legend: { show: false },
      cursor: { sync: { key: "timeline", setSeries: false, scales: ["x", null] }, y: false,
        drag: { x: false, y: false, setScale: false }, points: { show: false } },
      select: { show: false },
      scales: { x: { time: false, auto: false, range: (u, from, to) => [from, to] },
        y: { auto: false, range: () => range } },
      axes: axes(yAxis.values, yAxis.splits),
      series: [{}, ...series],
      hooks: { draw: [over], setCursor: [readOut] },
    };
    target.replaceChildren();
    return new uPlot(options, [[0, 1], ...series.map(() => [null, null])], target);
  }

  function build() {
    style = getComputedStyle(root);
    gutter = root.clientWidth < 640 ? 68 : 92;
    const [bottom, top] = data.probability.range;
    plots.curves = plot(at("timeline-curves"), root.clientWidth < 640 ? 160 : 190, [bottom, top],
      classes.map(({ k, shown }) => ({ stroke: colour(k), dash: dash(k), width: 1.6, show: shown,
        points: { show: false } })),
      { splits: (u, i, from, to) => [0, 1, 2, 3, 4].map((n) => from + (to - from) * n / 4),
        values: (u, found) => found.map(short) },
      overCurves);
    if (channels.length) {
      const row = Math.min(120, Math.max(20, 520 / channels.length));
      plots.signals = plot(at("timeline-signals"), row * channels.length + 38, [0, channels.length],
        channels.map(() => ({ stroke: ink("trace"), width: 1, points: { show: false } })),
        { splits: () => channels.map((channel, i) => channels.length - i - 0.5),
          values: () => channels.map((channel) => cut(ruler, channel.name, gutter - 12)) },
        (u) => { drawBars(u); drawBreaks(u); drawSelected(u); });
    }
    redraw();
  }

  function clipped(u, draw) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(ctx, bbox, devicePixelRatio);
    ctx.restore();
  }

  function drawBars(u) {
    clipped(u, (ctx, bbox, ratio) => {
      ctx.fillStyle = ink("bar");
      for (const [from, to, low, high] of bars) {
        const left = u.valToPos(from, "x", true), top = u.valToPos(high, "y", true);
        ctx.fillRect(left, top, u.valToPos(to, "x", true) - left,
          Math.max(u.valToPos(low, "y", true) - top, ratio));
      }
    });
  }

  function drawBreaks(u) {
    const inView = data.breaks.filter((time) => time > view[0] && time < view[1]);
    if (inView.length > 200) return;
    clipped(u, (ctx, bbox, ratio) => {
      ctx.strokeStyle = ink("muted");
      ctx.lineWidth = ratio;
      ctx.setLineDash([4 * ratio, 4 * ratio]);
      for (const time of inView) line(ctx, u.valToPos(time, "x", true), bbox.top, bbox.height);
    });
  }

  function line(ctx, x, top, height) {
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
  }

  function drawSelected(u) {
    if (!selected) return;
    clipped(u, (ctx, bbox, ratio) => {
      const left = u.valToPos(selected.onset, "x", true);
      const right = u.valToPos(selected.onset + selected.duration, "x", true);
      ctx.fillStyle = ink("band");
      ctx.fillRect(left, bbox.top, Math.max(right - left, ratio), bbox.height);
      ctx.strokeStyle = ink("ink");
      ctx.lineWidth = ratio;
      line(ctx, left, bbox.top, bbox.height);
      line(ctx, right, bbox.top, bbox.height);
    });
  }

  function overCurves(u) {
    drawBreaks(u);
    drawSelected(u);
    clipped(u, (ctx, bbox, ratio) => {
      const placed = []; // words that stand there: those at the same height follow them
      for (const { threshold, shown, k, name } of classes) {
        if (threshold === null || !shown) continue;
        const y = u.valToPos(threshold, "y", true);
        ctx.strokeStyle = ctx.fillStyle = data.task === "classes" ? ink("ink") : colour(k);
        ctx.setLineDash([3 * ratio, 3 * ratio]);
        ctx.lineWidth = 1.3 * ratio;
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        ctx.font = `${12 * ratio}px system-ui, sans-serif`;
        ctx.textAlign = "left";
        ctx.textBaseline = "alphabetic";
        ctx.fillStyle = ink("ink");
        const text = cut(ctx, `threshold ${name} ${short(threshold)}`, bbox.width);
        const height = y > bbox.top + 16 * ratio ? y - 4 * ratio : y + 14 * ratio;
        ctx.setLineDash([]);
        ctx.strokeStyle = ink("paper"); // keeps the words apart from the curves
        ctx.lineWidth = 3 * ratio;
        const left = Math.max(bbox.left + 4 * ratio, ...placed
          .filter((one) => Math.abs(one.height - height) < 13 * ratio)
          .map((one) => one.right + 12 * ratio));
        placed.push({ height, right: left + ctx.measureText(text).width });
        ctx.strokeText(text, left, height);
        ctx.fillText(text, left, height);
      }
    });
  }

  // ---- Events ----------------------------------------------------------------------------------

  const ROW = 22, HEAD = 20;
  let boxes = []; // what was drawn where, for clicks: {left, right, top, event}

  function drawEvents(width) {
    const canvas = at("timeline-strips");
    const total = data.strips.reduce((sum, strip) => sum + HEAD + ROW * strip.labels.length, 0);
    const ratio = devicePixelRatio;
    canvas.width = root.clientWidth * ratio;
    canvas.height = total * ratio;
    canvas.style.width = `${root.clientWidth}px`;
    canvas.style.height = `${total}px`;
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    boxes = [];
    let top = 0;
    data.strips.forEach((strip) => {
      ctx.fillStyle = ink("muted");
      ctx.fillText(cut(ctx, strip.title, width), gutter, top + HEAD / 2 + 1);
      top += HEAD;
      strip.labels.forEach((label, row) => {
        ctx.textAlign = "right";
        ctx.fillStyle = ink("ink");
        ctx.fillText(cut(ctx, label, gutter - 10), gutter - 6, top + ROW / 2);
        ctx.textAlign = "left";
        ctx.fillStyle = ink("soft");
        ctx.fillRect(gutter, top + 1, width, ROW - 2);
        drawRow(ctx, strip.rows[row], strip.colours[row], top + 2, width);
        top += ROW;
      });
    });
  }

  function drawRow(ctx, row, k, top, width) {
    const scale = width / (view[1] - view[0]);
    let drawnTo = -Infinity;
    ctx.save();
    ctx.beginPath();
    ctx.rect(gutter, top, width, ROW - 4);
    ctx.clip();
    for (const event of row) {
      const left = gutter + (event.onset - view[0]) * scale;
      const right = Math.max(left + 2.5, left + event.duration * scale);
      if (right < gutter || left > gutter + width || right <= drawnTo + 0.5) continue;
      boxes.push({ left, right, top, event });
      drawnTo = right;
      ctx.fillStyle = event.source === 0 ? ink(`tint-${k % 8}`) : hatch(ctx, k);
      ctx.fillRect(left, top, right - left, ROW - 4);
      ctx.strokeStyle = event === selected ? ink("ink") : colour(k);
      ctx.lineWidth = event === selected ? 3 : 1.4;
      ctx.strokeRect(left + 0.5, top + 0.5, Math.max(right - left - 1, 1), ROW - 5);
      const from = Math.max(left, gutter), room = Math.min(right, gutter + width) - from - 10;
      if (room > 24 && event.source === 0) {
        ctx.fillStyle = ink("ink");
        ctx.fillText(cut(ctx, event.label, room), from + 5, top + ROW / 2 - 1);
      }
    }
    ctx.restore();
  }

  const hatches = new Map();
  function hatch(ctx, k) {
    const key = colour(k);
    if (!hatches.has(key)) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = 6;
      const brush = tile.getContext("2d");
      brush.strokeStyle = key;
      brush.lineWidth = 1.2;
      for (const shift of [-6, 0, 6]) {
        brush.beginPath();
        brush.moveTo(shift - 1, 7);
        brush.lineTo(shift + 7, -1);
        brush.stroke();
      }
      hatches.set(key, ctx.createPattern(tile, "repeat"));
    }
    return hatches.get(key);
  }

  // ---- Drawing, once a frame -------------------------------------------------------------------

  function redraw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }

  function detailText(seconds) {
    if (seconds === 0) return "Every sample is drawn.";
    if (!bars.length) return `Each dot shows the smallest and largest of ${spanText(seconds)}.`;
    return `A bar goes from the smallest to the largest of ${spanText(seconds)}; the page has more `
      + "detail around the surest events only.";
  }

  let bars = []; // what of the signals is drawn as bars: [from, to, low, high]
  function draw() {
    const width = Math.max(50, root.clientWidth - gutter - RIGHT);
    plots.curves.setData(curvePoints(view, width), false);
    plots.curves.setScale("x", { min: view[0], max: view[1] });
    if (plots.signals) {
      const found = signalPoints(view, width, amplitude);
      bars = found.bars;
      plots.signals.setData(found.points, false);
      plots.signals.setScale("x", { min: view[0], max: view[1] });
      at("timeline-scale").textContent = `${scaleText(found.scale)} ${detailText(found.coarsest)}`;
    }
    drawEvents(width);
    root.dataset.start = view[0];
    root.dataset.stop = view[1];
    if (!root.dataset.drawn) {
      root.dataset.drawn = "yes";
      performance.mark("timeline-drawn");
    }
    clearTimeout(draw.timer);
    draw.timer = setTimeout(announce, 150);
  }

  function announce() {
    const digits = digitsFor((view[1] - view[0]) / 20);
    const here = decided.filter((event) => event.onset < view[1]
      && event.onset + event.duration >= view[0]).length;
    let text = `Shown: ${momentText(view[0], digits)} to ${momentText(view[1], digits)} `
      + `(${spanText(view[1] - view[0])}${isAll() ? ", all of it" : ""}), `
      + `${here} decided ${here === 1 ? "event" : "events"}.`;
    if (selected) {
      text += ` Chosen: ${selected.label}, ${momentText(selected.onset, 1)}, `
        + `${spanText(selected.duration)}${selected.source ? ", reference" : ""}.`;
    }
    at("timeline-view").textContent = text;
  }

  // Probabilities at the pointer.
  function readOut(u) {
    const line = at("timeline-pointer");
    if (u !== plots.curves || u.cursor.left === undefined || u.cursor.left < 0) return;
    const time = u.posToVal(u.cursor.left, "x");
    const i = firstAfter(times, time) - 1;
    const said = classes.filter(({ shown }) => shown).slice(0, 6).map(({ name, k }) => {
      const value = i < 0 ? NaN : curves.low(k, i);
      return `${name} ${value === value ? short(value) : "–"}`;
    });
    line.textContent = `At ${momentText(time, digitsFor((view[1] - view[0]) / 500))}: ${said.join(", ")}`;
  }

  // ---- Mouse, touch and keys -------------------------------------------------------------------

  const area = at("timeline-area");
  const timeAt = (clientX) => {
    const left = area.getBoundingClientRect().left + gutter;
    const width = root.clientWidth - gutter - RIGHT;
    return view[0] + (clientX - left) / width * (view[1] - view[0]);
  };
  const eventAt = (clientX, clientY) => {
    const { left, top } = at("timeline-strips").getBoundingClientRect();
    const x = clientX - left, y = clientY - top;
    return boxes.findLast((box) => x >= box.left - 3 && x <= box.right + 3
      && y >= box.top - 2 && y <= box.top + ROW)?.event;
  };

  area.addEventListener("wheel", (event) => {
    if (event.ctrlKey || (event.deltaY > 0 && isAll() && !event.shiftKey)) return; // the page's own
    event.preventDefault();
    const by = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX
      : event.shiftKey ? event.deltaY : 0;
    if (by) pan(Math.sign(by) * 0.1);
    else zoom(1.25 ** Math.sign(event.deltaY), timeAt(event.clientX));
  }, { passive: false });

  const pointers = new Map(); // those that are down: id to last x
  let drag = null;
  area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, event.clientX);
    drag = { x: event.clientX, y: event.clientY, from: [...view], moved: false,
      chooses: event.shiftKey };
    root.focus({ preventScroll: true });
  });
  addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = [...pointers.values()];
    pointers.set(event.pointerId, event.clientX);
    const now = [...pointers.values()];
    if (now.length === 2) {
      const gap = (pair) => Math.max(20, Math.abs(pair[0] - pair[1]));
      drag.moved = true;
      zoom(gap(before) / gap(now), timeAt((now[0] + now[1]) / 2));
      return;
    }
    if (Math.abs(event.clientX - drag.x) > 4) drag.moved = true;
    if (!drag.moved) return;
    if (drag.chooses) markChoice(drag.x, event.clientX);
    else if (now.length === 1) pan((timeAt(before[0]) - timeAt(now[0])) / (view[1] - view[0]));
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    at("timeline-choice").hidden = true;
    const over = event.type === "pointerup";
    if (over && drag.chooses && drag.moved) {
      show(...[timeAt(drag.x), timeAt(event.clientX)].sort((a, b) => a - b));
    } else if (over && !drag.moved) {
      const chosen = eventAt(event.clientX, event.clientY);
      if (chosen) goTo(chosen);
    }
    drag = null;
  };
  addEventListener("pointerup", release);
  addEventListener("pointercancel", release);
  area.addEventListener("dblclick", (event) => {
    if (!eventAt(event.clientX, event.clientY)) reset();
  });
  area.addEventListener("pointermove", (event) => {
    area.classList.toggle("on-event", Boolean(eventAt(event.clientX, event.clientY)));
  });

  function markChoice(one, other) {
    const box = at("timeline-choice"), left = area.getBoundingClientRect().left;
    box.hidden = false;
    box.style.left = `${Math.min(one, other) - left}px`;
    box.style.width = `${Math.abs(one - other)}px`;
  }

  function reset() {
    selected = null;
    for (const row of document.querySelectorAll("tr[aria-current]")) row.removeAttribute("aria-current");
    show(...full);
  }

  const ACTS = {
    left: () => pan(-0.2), right: () => pan(0.2), in: () => zoom(0.5), out: () => zoom(2),
    begin: () => show(0, view[1] - view[0]), end: () => show(data.duration - view[1] + view[0], data.duration),
    next: () => step(1), previous: () => step(-1), all: reset,
    nextReference: () => step(1, references), previousReference: () => step(-1, references),
    larger: () => { amplitude *= 1.5; redraw(); }, smaller: () => { amplitude /= 1.5; redraw(); },
    chosen: () => (selected ? goTo(selected) : step(1)),
  };
  const KEYS = {
    ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", "_": "out",
    Home: "begin", End: "end", n: "next", p: "previous", r: "nextReference", R: "previousReference",
    0: "all", Escape: "all",
    ArrowUp: "larger", ArrowDown: "smaller", Enter: "chosen",
  };
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!act || (event.key === "Enter" && event.target !== root)) return; // Enter presses a button
    event.preventDefault();
    ACTS[act]();
  });
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => ACTS[button.dataset.act]());
  }
  for (const button of document.querySelectorAll("[data-event], [data-reference]")) {
    button.addEventListener("click", () => {
      const { event, reference } = button.dataset;
      goTo(event === undefined ? references[Number(reference)] : decided[Number(event)]);
      root.scrollIntoView({ block: "start" });
      root.focus({ preventScroll: true });
    });
  }

  // ---- Legend ----------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  for (const one of classes) {
    const button = document.createElement("button");
    const sample = document.createElementNS(SVG, "svg");
    const stroke = document.createElementNS(SVG, "path");
    sample.setAttribute("viewBox", "0 0 34 8");
    sample.setAttribute("aria-hidden", "true");
    stroke.setAttribute("d", "M0 4H34");
    stroke.style.stroke = `var(--class-${one.k % 8})`;
    stroke.style.strokeDasharray = dash(one.k).join(" ");
    sample.append(stroke);
    button.type = "button";
    button.append(sample, one.name);
    button.setAttribute("aria-pressed", String(one.shown));
    button.addEventListener("click", () => {
      one.shown = !one.shown;
      button.setAttribute("aria-pressed", String(one.shown));
      plots.curves.setSeries(one.k + 1, { show: one.shown });
    });
    at("timeline-legend").append(button);
  }

  // ---- Beginning -------------------------------------------------------------------------------

  root.hidden = false;
  at("overview").hidden = true;
  build();
  let width = root.clientWidth;
  new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === width) return; // on paper it has no width
    width = root.clientWidth;
    build();
  }).observe(root);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    hatches.clear();
    build();
  });
})();
