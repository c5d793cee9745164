// What a page of a recording holds: its data decoded, how much of it a view needs, and words for
// times. The page has the data as JSON (see report/timeline/data.py). timeline.js draws it.
"use strict";
const timeline = (function () {
  const data = JSON.parse(document.getElementById("timeline-data").textContent);

  // ---- Reading what the page holds -------------------------------------------------------------

  const TYPES = { f4: Float32Array, f8: Float64Array, i1: Int8Array, i2: Int16Array };

  function decode(text, type) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return new TYPES[type](bytes.buffer); // little-endian, as browsers' machines are
  }

  // Whole numbers of a stretch, with a function that gives the value of one of them.
  function opened(stretch, nRows) {
    const codes = decode(stretch.codes, stretch.bits === 8 ? "i1" : "i2");
    const middle = decode(stretch.middle, "f4");
    const unit = decode(stretch.unit, "f4");
    const wide = stretch.pairs ? 2 : 1;
    const perRow = codes.length / nRows;
    const perBlock = stretch.block * wide;
    const nBlocks = middle.length / nRows;
    const missing = stretch.bits === 8 ? -128 : -32768;
    const value = (row, i) => {
      const code = codes[row * perRow + i];
      if (code === missing) return NaN;
      const block = row * nBlocks + Math.floor(i / perBlock);
      return middle[block] + code * unit[block];
    };
    const low = (row, column) => value(row, column * wide);
    const high = (row, column) => value(row, column * wide + wide - 1);
    const finest = { step: stretch.step, n: stretch.columns, low, high, single: wide === 1,
      codes: { codes, middle, unit, wide, perRow, perBlock, nBlocks, missing } };
    return { ...stretch, stop: stretch.start + stretch.columns * stretch.step, levels: [finest] };
  }

  // Coarser levels: each column is the smallest and largest of four of the level before.
  function addLevels(stretch, nRows) {
    for (let fine = stretch.levels[0]; fine.n > 2000; fine = stretch.levels.at(-1)) {
      const n = Math.ceil(fine.n / 4);
      const lows = new Float32Array(n * nRows).fill(NaN);
      const highs = new Float32Array(n * nRows).fill(NaN);
      for (let row = 0; row < nRows; row++) {
        if (fine.codes) foursOfCodes(fine.codes, row, n, lows, highs);
        else foursOfValues(fine, row, n, lows, highs);
      }
      stretch.levels.push({
        step: fine.step * 4, n, single: false,
        low: (row, i) => lows[row * n + i], high: (row, i) => highs[row * n + i],
      });
    }
    return stretch;
  }

  // Of the finest level: within a block, the smallest whole number is the smallest value.
  function foursOfCodes({ codes, middle, unit, wide, perRow, perBlock, nBlocks, missing }, row, n,
    lows, highs) {
    for (let four = 0; four < n; four++) {
      const first = row * perRow + four * 4 * wide;
      const end = Math.min(first + 4 * wide, (row + 1) * perRow);
      let low = 32767, high = -32768;
      for (let i = first; i < end; i++) {
        const code = codes[i];
        if (code === missing) continue;
        if (code < low) low = code;
        if (code > high) high = code;
      }
      if (high < low) continue;
      const block = row * nBlocks + Math.floor(four * 4 * wide / perBlock);
      lows[row * n + four] = middle[block] + low * unit[block];
      highs[row * n + four] = middle[block] + high * unit[block];
    }
  }

  function foursOfValues(fine, row, n, lows, highs) {
    for (let i = 0; i < fine.n; i++) {
      const place = row * n + (i >> 2);
      const low = fine.low(row, i), high = fine.high(row, i);
      if (low === low && !(lows[place] <= low)) lows[place] = low;
      if (high === high && !(highs[place] >= high)) highs[place] = high;
    }
  }

  const channels = data.signals ? data.signals.channels : [];
  const stretches = data.signals
    ? data.signals.stretches.map((one) => addLevels(opened(one, channels.length), channels.length))
    : [];
  const [whole, ...details] = stretches;

  const classes = data.probability.labels.map((label, k) => ({ ...label, k, shown: label.shown }));
  const times = decode(data.probability.times, "f8");
  const curves = opened(data.probability.values, classes.length).levels[0];

  // Of each event: [onset, duration, row of its strip, its label where the row has another name].
  for (const [source, strip] of data.strips.entries()) {
    strip.rows = strip.labels.map(() => []);
    strip.events = strip.events.map(([onset, duration, row, label]) => {
      const event = { onset, duration, source, label: label ?? strip.labels[row] };
      strip.rows[row].push(event);
      return event;
    });
  }
  const decided = data.strips[0].events;

  // ---- Words for times and numbers -------------------------------------------------------------

  const clock = data.clock ? Date.UTC(...data.clock) / 1000 : null; // seconds; the recorder's clock
  const two = (number) => String(number).padStart(2, "0");

  function timeText(seconds, digits = 0) {
    let ticks = Math.round(((clock ?? 0) + seconds) * 10 ** digits);
    const sign = ticks < 0 ? "−" : "";
    ticks = Math.abs(ticks);
    const fraction = digits ? "." + String(ticks % 10 ** digits).padStart(digits, "0") : "";
    const s = Math.floor(ticks / 10 ** digits);
    const hours = clock === null ? Math.floor(s / 3600) : Math.floor(s / 3600) % 24;
    const text = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}${fraction}`;
    return clock === null ? `${sign}${hours}:${text}` : `${two(hours)}:${text}`;
  }

  // The date too, where a recording by the clock lasts beyond midnight.
  const days = clock === null ? 0 : Math.floor((clock + data.duration) / 86400) - Math.floor(clock / 86400);
  function momentText(seconds, digits = 0) {
    const text = timeText(seconds, digits);
    if (!days) return text;
    return `${new Date((clock + seconds) * 1000).toISOString().slice(0, 10)} ${text}`;
  }

  function spanText(seconds) {
    if (seconds >= 5400) return `${short(seconds / 3600)} h`;
    if (seconds >= 120) return `${short(seconds / 60)} min`;
    return seconds >= 1 ? `${short(seconds)} s` : `${short(seconds * 1000)} ms`;
  }

  const short = (number) => String(Number(number.toPrecision(3)));
  const digitsFor = (step) => (step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3);

  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60,
    120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

  // Ticks at round times of the clock.
  function ticks(from, to, width) {
    const wanted = (to - from) / Math.max(1, width / 95);
    const step = STEPS.find((one) => one >= wanted) ?? Math.ceil(wanted / 604800) * 604800;
    const origin = clock === null ? 0 : -(clock % Math.max(step, 86400));
    const found = [];
    for (let i = Math.ceil((from - origin) / step); origin + i * step <= to; i++) {
      found.push(origin + i * step);
    }
    return found;
  }

  // ---- Data for a view -------------------------------------------------------------------------

  const firstAfter = (array, value) => {
    let low = 0, high = array.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (array[middle] > value) high = middle; else low = middle + 1;
    }
    return low;
  };

  // Probabilities are steps: the value of a point holds until the next. Where there are more points
  // than dots, the smallest and largest of those that share a dot.
  function curvePoints(view, width) {
    const first = Math.max(firstAfter(times, view[0]) - 1, 0);
    const last = Math.min(firstAfter(times, view[1]) + 1, times.length);
    const group = Math.max(1, Math.ceil((last - first) / (2 * width)));
    const xs = [], rows = classes.map(() => []);
    for (let i = first; i < last; i += group) {
      const end = Math.min(i + group, last);
      const stop = times[Math.min(end, times.length - 1)];
      xs.push(times[i], stop);
      for (const { k } of classes) {
        let low = NaN, high = NaN;
        for (let j = i; j < end; j++) {
          const value = curves.low(k, j);
          if (!(low <= value) && value === value) low = value;
          if (!(high >= value) && value === value) high = value;
        }
        rows[k].push(low === low ? low : null, high === high ? high : null);
      }
    }
    return [xs, ...rows];
  }

  // Which stretches show a view: those of single samples where the whole is coarser than the dots.
  function pieces(view, width) {
    if (whole.step <= (view[1] - view[0]) / width) return [[whole, ...view]];
    const found = [];
    let from = view[0];
    for (const detail of details) {
      if (detail.stop <= view[0] || detail.start >= view[1]) continue;
      if (detail.start > from) found.push([whole, from, detail.start]);
      found.push([detail, Math.max(from, detail.start), Math.min(detail.stop, view[1])]);
      from = detail.stop;
    }
    if (from < view[1]) found.push([whole, from, view[1]]);
    return found;
  }

  // Points of the lines, and bars: a column that is wider than some dots is no line but a bar, from
  // its smallest to its largest value.
  function signalPoints(view, width, amplitude) {
    const xs = [], rows = channels.map(() => []), bars = [], parts = [];
    const perDot = (view[1] - view[0]) / width;
    let coarsest = 0;
    for (const [stretch, from, to] of pieces(view, width)) {
      const most = 3 * Math.max(20, (to - from) / perDot);
      const level = stretch.levels.find((one) => (to - from) / one.step <= most)
        ?? stretch.levels.at(-1);
      const beyond = [from === view[0] ? 1 : 0, to === view[1] ? 1 : 0]; // at the plot's ends
      const first = Math.max(0, Math.floor((from - stretch.start) / level.step) - beyond[0]);
      const last = Math.min(level.n, Math.ceil((to - stretch.start) / level.step) + beyond[1]);
      const begin = stretch.start + first * level.step;
      const isBars = !level.single && level.step > 3 * perDot;
      parts.push({ level, first, last, begin, isBars, from, to });
      coarsest = Math.max(coarsest, level.single ? 0 : level.step);
      if (isBars) xs.push(from);
      for (let i = 0; i < last - first && !isBars; i++) {
        const time = Math.max(begin + (i + (level.single ? 0 : 0.5)) * level.step, xs.at(-1) ?? -1);
        xs.push(time);
        if (!level.single) xs.push(time);
      }
    }
    const scale = heightsIn(parts, amplitude);
    channels.forEach((channel, row) => {
      fillRow(scale.get(channel.group), row, parts, rows[row], bars);
    });
    return { points: [xs, ...rows], bars, coarsest, scale };
  }

  // How high a row is, for each kind of channel: as high as it was found to suit a second of signal,
  // or what a column holds where that is more, so that rows stay apart in a whole night.
  function heightsIn(parts, amplitude) {
    const spreads = new Map(channels.map((channel) => [channel.group, []]));
    channels.forEach((channel, row) => {
      const own = [];
      for (const { level, first, last } of parts) {
        const stride = Math.max(1, Math.floor((last - first) / 200));
        for (let i = first; i < last && !level.single; i += stride) {
          const spread = level.high(row, i) - level.low(row, i);
          if (spread > 0) own.push(spread);
        }
      }
      own.sort((a, b) => a - b);
      if (own.length) spreads.get(channel.group).push(quantile(own, 0.5));
    });
    return new Map([...spreads].map(([group, found]) => {
      found.sort((a, b) => a - b);
      const needed = found.length ? roundUp(1.1 * quantile(found, 0.75)) : 0;
      return [group, Math.max(heights.get(group), needed) / amplitude];
    }));
  }

  // One channel's values as heights: its row's middle is the median of what is in view.
  function fillRow(height, row, parts, out, bars) {
    const sample = [];
    for (const { level, first, last } of parts) {
      const stride = Math.max(1, Math.floor((last - first) / 300));
      for (let i = first; i < last; i += stride) {
        const middle = (level.low(row, i) + level.high(row, i)) / 2;
        if (middle === middle) sample.push(middle);
      }
    }
    sample.sort((a, b) => a - b);
    const centre = sample.length ? sample[sample.length >> 1] : 0;
    const base = channels.length - row - 0.5;
    const place = (value) => (value === value ? base + (value - centre) / height : null);
    for (const { level, first, last, begin, isBars, from, to } of parts) {
      if (isBars) out.push(null); // the line ends here
      for (let i = first; i < last; i++) {
        const low = place(level.low(row, i)), high = place(level.high(row, i));
        if (isBars) {
          const left = begin + (i - first) * level.step;
          if (low !== null) {
            bars.push([Math.max(left, from), Math.min(left + level.step, to), low, high]);
          }
          continue;
        }
        out.push(low);
        if (!level.single) out.push(high);
      }
    }
  }

  // ---- How high a row is, for each kind of channel --------------------------------------------

  // The height suits what a channel does in a second, and half of how far it drifts; all channels of
  // one kind and unit have the height that suits three quarters of them.
  const quantile = (sorted, share) => sorted[Math.round(share * (sorted.length - 1))];
  function spreadOf(row) {
    const level = whole.levels.findLast((one) => one.step <= 1) ?? whole.levels[0];
    const wide = Math.max(1, Math.round(1 / level.step));
    const stride = wide * Math.max(1, Math.floor(level.n / wide / 600));
    const spreads = [], middles = [];
    for (let i = 0; i < level.n; i += stride) {
      let low = NaN, high = NaN;
      for (let j = i; j < Math.min(i + wide, level.n); j++) {
        if (!(low <= level.low(row, j))) low = level.low(row, j);
        if (!(high >= level.high(row, j))) high = level.high(row, j);
      }
      if (!(high >= low)) continue;
      if (high > low) spreads.push(high - low);
      middles.push((low + high) / 2);
    }
    if (!spreads.length) return 0;
    for (const list of [spreads, middles]) list.sort((a, b) => a - b);
    const drift = quantile(middles, 0.9) - quantile(middles, 0.1);
    return Math.max(1.2 * quantile(spreads, 0.5), 0.5 * drift);
  }

  const heights = new Map(channels.map((channel) => [channel.group, []]));
  channels.forEach((channel, row) => heights.get(channel.group).push(spreadOf(row)));
  for (const [group, spreads] of heights) {
    const moving = spreads.filter((spread) => spread > 0).sort((a, b) => a - b);
    heights.set(group, moving.length ? roundUp(quantile(moving, 0.75)) : 1);
  }

  function roundUp(number) {
    const power = 10 ** Math.floor(Math.log10(number));
    return [1, 1.5, 2, 3, 5, 7, 10].find((one) => one * power >= number * 0.999) * power;
  }


  return {
    data, channels, classes, whole, stretches, decided, times, curves,
    curvePoints, signalPoints, firstAfter,
    timeText, momentText, spanText, short, digitsFor, ticks,
  };
})();
