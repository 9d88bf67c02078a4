// Line charts: from the page's figure descriptions to Chart.js. A figure names its axes, its series and
// what each series is (its role); everything about how a role looks is here.
'use strict';

const muonflow = {};

// Colours of the scheme in force, from page.css.
muonflow.theme = () => {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue('--' + name).trim();
  return {
    ground: get('ground'),
    ink: get('ink'),
    muted: get('muted'),
    rule: get('rule'),
    grid: get('grid'),
    warn: get('warn'),
    series: (index) => get('series-' + (index % 8)),
    font: getComputedStyle(document.body).fontFamily,
  };
};

// '#rrggbb' with an alpha of 0 to 1.
muonflow.faint = (colour, alpha) => colour + Math.round(alpha * 255).toString(16).padStart(2, '0');

muonflow.superscript = (exponent) =>
  String(exponent).replace(/[-0-9]/g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[+c]));

// A tick or a value as people write it: 1,200, 0.05, 2.5 × 10⁻⁷, 3.2M.
muonflow.number = (value, digits = 6) => {
  if (value < 0) return '−' + muonflow.number(-value, digits);
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = value;
  if (size >= 1e-3 && size < 1e5) {
    return value.toLocaleString('en-US', {maximumSignificantDigits: digits});
  }
  if (size >= 1e5 && size < 1e13) {
    return value.toLocaleString('en-US', {notation: 'compact', maximumSignificantDigits: Math.min(digits, 4)});
  }
  let exponent = Math.floor(Math.log10(size));
  let mantissa = Number((value / 10 ** exponent).toPrecision(Math.min(digits, 4)));
  if (mantissa >= 10) {
    mantissa /= 10;
    exponent += 1;
  }
  const power = '10' + muonflow.superscript(exponent);
  return mantissa === 1 ? power : `${mantissa} × ${power}`;
};

// Round values between low and high, about `count` of them.
muonflow.ticks = (low, high, count) => {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((lead) => lead * power >= rough * (1 - 1e-9)) * power;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
};

// Decades, or every second or third of them; where the axis spans little, values between them too.
muonflow.logTicks = (low, high, count) => {
  const decades = Math.log10(high / low);
  const leads = decades >= 2 ? [1] : decades >= 1 ? [1, 3] : [1, 2, 3, 5, 7];
  const every = Math.max(1, Math.ceil(decades / count));
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); ++e) {
    if (e % every !== 0) continue;
    for (const lead of leads) {
      const tick = Number(`${lead}e${e}`);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
    }
  }
  return ticks.length >= 2 ? ticks : muonflow.ticks(low, high, count);
};

muonflow.isPowerOfTen = (value) => Math.abs(value / 10 ** Math.round(Math.log10(value)) - 1) < 1e-9;

// All ticks of a log axis in one manner: powers where there is more than a decade or two.
muonflow.logTick = (value, low, high) => {
  const powers = muonflow.isPowerOfTen(value) && Math.log10(high / low) >= 2;
  return powers ? '10' + muonflow.superscript(Math.round(Math.log10(value))) : muonflow.number(value, 3);
};

(() => {
  const shapes = ['circle', 'rect', 'triangle', 'rectRot'];

  const has = (figure, role) => figure.series.some((series) => series.role === role);

  // The look of a series by its role.
  function look(series, theme, figure) {
    const index = series.tone ?? series.run ?? 0;
    const colour = theme.series(index);
    const base = {
      borderColor: colour,
      backgroundColor: colour,
      borderWidth: 2,
      borderJoinStyle: 'round',
      pointRadius: 0,
      pointHitRadius: 0,
      spanGaps: false,
      // Past eight runs the colours repeat and the dashes tell the runs apart.
      borderDash: series.tone === undefined && index >= 8 ? [6, 3] : [],
    };
    switch (series.role) {
      case 'raw':
        return {...base, borderWidth: 1, borderColor: muonflow.faint(colour, 0.22), order: 3};
      case 'faint':
        return {...base, borderWidth: 1.25, borderColor: muonflow.faint(colour, 0.6), order: 2};
      case 'marks':
        return {
          ...base,
          // What joins the marks is faint where it could hide a theory.
          ...(has(figure, 'theory') ? {borderWidth: 1.5, borderColor: muonflow.faint(colour, 0.4)} : {}),
          pointRadius: series.y.length > 60 ? 2 : [4, 4, 5, 5][index % 4],
          pointHitRadius: 8,
          pointStyle: shapes[index % 4],
          pointBorderColor: theme.ground,
          pointBorderWidth: 1,
          order: has(figure, 'theory') ? -2 : 1,
        };
      case 'theory':
        return {...base, borderWidth: 1.75, borderDash: [5, 4], order: -1};
      case 'edge':
        return {...base, borderWidth: 0, order: 4};
      case 'total':
        return {...base, borderColor: theme.muted, borderWidth: 1.5, borderDash: [5, 4]};
      default:
        return base;
    }
  }

  // A value between gaps has no line to show it.
  const alone = (points, i) =>
    !Number.isNaN(points[i].y) && Number.isNaN(points[i - 1]?.y ?? NaN) && Number.isNaN(points[i + 1]?.y ?? NaN);

  function datasets(figure, data, axis, theme) {
    return figure.series.map((series) => {
      const x = data.points[series.points][axis];
      const set = {
        ...look(series, theme, figure),
        label: series.label,
        run: series.run,
        silent: series.role === 'raw' || series.role === 'edge',
        data: series.y.map((y, i) => ({x: x[i], y: y === null ? NaN : y})),
      };
      if (series.role !== 'marks' && series.role !== 'edge') {
        set.pointRadius = set.data.map((_, i) => (alone(set.data, i) ? 2.5 : 0));
        if (figure.cap === undefined) set.clip = 4;
      }
      if (series.fill !== undefined) {
        const colour = muonflow.faint(theme.series(series.fill.tone), 0.22);
        set.fill = {target: series.fill.to, above: colour, below: colour};
      }
      return set;
    });
  }

  // A dashed level with its name, and short strokes at the foot of the chart for events.
  const annotations = {
    id: 'annotations',
    afterDatasetsDraw(chart) {
      const {figure, theme, marks} = chart.options.plugins.annotations;
      const {ctx, chartArea: area, scales} = chart;
      ctx.save();
      if (figure.level) {
        const y = scales.y.getPixelForValue(figure.level.value);
        ctx.strokeStyle = theme.muted;
        ctx.lineWidth = 1;
        ctx.setLineDash([4, 4]);
        ctx.beginPath();
        ctx.moveTo(area.left, y);
        ctx.lineTo(area.right, y);
        ctx.stroke();
        ctx.font = `12px ${theme.font}`;
        ctx.fillStyle = theme.ink;
        ctx.textBaseline = 'bottom';
        // A halo in the colour of the ground keeps the words readable where lines cross them.
        ctx.setLineDash([]);
        ctx.strokeStyle = theme.ground;
        ctx.lineWidth = 4;
        ctx.lineJoin = 'round';
        ctx.strokeText(figure.level.label, area.left + 6, y - 3);
        ctx.fillText(figure.level.label, area.left + 6, y - 3);
      }
      ctx.setLineDash([]);
      ctx.strokeStyle = theme.warn;
      ctx.lineWidth = 1.5;
      for (const x of marks) {
        const at = scales.x.getPixelForValue(x);
        ctx.beginPath();
        ctx.moveTo(at, area.bottom);
        ctx.lineTo(at, area.bottom - 9);
        ctx.stroke();
      }
      ctx.restore();
    },
  };

  // Where the vertical axis ends: a little beyond what is shown.
  function range(figure, sets) {
    let low = figure.zero ? 0 : Infinity;
    let high = figure.zero ? 0 : -Infinity;
    for (const set of sets) {
      if (set.hidden) continue;
      for (const {y} of set.data) {
        if (Number.isNaN(y)) continue;
        low = Math.min(low, y);
        high = Math.max(high, y);
      }
    }
    if (!(low <= high)) return figure.log ? {min: 0.1, max: 1} : {min: 0, max: 1};
    if (figure.log) {
      const room = Math.max((high / low) ** 0.05, 1.02);
      return {min: low / room, max: high * room};
    }
    const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
    return {min: figure.zero ? 0 : low - room, max: figure.cap ?? high + room};
  }

  // Where the horizontal axis begins and ends: in studies far enough out for whole marks.
  function breadth(figure, sets) {
    const shown = sets.filter((set) => !set.hidden && set.data.length > 0);
    const high = Math.max(...shown.map((set) => set.data[set.data.length - 1].x), 0) || 1;
    const room = figure.section === 'study' && has(figure, 'marks') ? 0.025 : 0;
    if (!figure.log_x) return {min: 0, max: high * (1 + room)};
    const low = Math.min(...sets.map((set) => set.data[0]?.x ?? Infinity), high);
    const factor = (high / low) ** room;
    return {min: low / factor, max: high * factor};
  }

  // The places of a few marks, which say more than round numbers between them.
  function markedTicks(figure, sets, width) {
    const marked = sets.filter((set, i) => !set.hidden && figure.series[i].role === 'marks');
    const places = [...new Set(marked.flatMap((set) => set.data.map((point) => point.x)))];
    return places.length >= 2 && places.length <= width / 55 ? places.sort((a, b) => a - b) : [];
  }

  function options(figure, axis, theme, sets) {
    const font = {family: theme.font, size: 12};
    const scale = (title) => ({
      grid: {color: theme.grid, borderColor: theme.rule, tickLength: 4},
      ticks: {color: theme.muted, font, maxRotation: 0, autoSkipPadding: 14},
      title: {display: true, text: title, color: theme.ink, font},
    });
    const x = {...scale(figure.x[axis]), type: figure.log_x ? 'logarithmic' : 'linear', ...breadth(figure, sets)};
    x.afterBuildTicks = (built) => {
      const make = figure.log_x ? muonflow.logTicks : muonflow.ticks;
      const marked = figure.log_x ? markedTicks(figure, sets, built.width) : [];
      const ticks = marked.length > 0 ? marked : make(built.min, built.max, Math.max(2, built.width / 65));
      built.ticks = ticks.map((value) => ({value}));
    };
    x.ticks.callback = (value, _, built) => {
      if (!figure.log_x) return muonflow.number(value, 5);
      const powers = built.every((tick) => muonflow.isPowerOfTen(tick.value));
      return powers ? muonflow.logTick(value, x.min, x.max) : muonflow.number(value, 5);
    };
    const y = {...scale(figure.y), type: figure.log ? 'logarithmic' : 'linear', ...range(figure, sets)};
    y.afterBuildTicks = (built) => {
      const make = figure.log ? muonflow.logTicks : muonflow.ticks;
      built.ticks = make(built.min, built.max, Math.max(3, built.height / (figure.log ? 30 : 45))).map((value) => ({value}));
    };
    y.ticks.autoSkip = false;
    y.ticks.callback = (value) =>
      figure.log ? muonflow.logTick(value, y.min, y.max) : muonflow.number(value, 5);
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      devicePixelRatio: Math.max(2, window.devicePixelRatio),
      parsing: false,
      normalized: true,
      locale: 'en-US',
      interaction: {mode: 'nearest', axis: 'x', intersect: false},
      scales: {x, y},
      plugins: {
        annotations: {},
        legend: {display: false},
        tooltip: {
          filter: (item) => !item.dataset.silent,
          backgroundColor: theme.ink,
          titleColor: theme.ground,
          bodyColor: theme.ground,
          titleFont: font,
          bodyFont: font,
          usePointStyle: true,
          callbacks: {
            title: (items) =>
              items.length ? `${figure.x[axis]}: ${muonflow.number(items[0].parsed.x)}` : '',
            label: (item) => ` ${item.dataset.label}: ${muonflow.number(item.parsed.y)}`,
          },
        },
      },
    };
  }

  // Draws, or draws again after the scheme, the axis, the range or the choice of runs has changed.
  // `view` is {axis, whole, hidden: Set of runs}.
  muonflow.drawLines = (figure, data, view) => {
    const canvas = document.getElementById(figure.id);
    Chart.getChart(canvas)?.destroy();
    const axis = view.axis in figure.x ? view.axis : Object.keys(figure.x)[0];
    const theme = muonflow.theme();
    const shown = view.whole ? {...figure, cap: undefined} : figure;
    const sets = datasets(figure, data, axis, theme);
    for (const set of sets) set.hidden = set.run !== undefined && view.hidden.has(set.run);
    const settings = options(shown, axis, theme, sets);
    const marks = figure.marks ? figure.marks.at.map((i) => data.points[figure.marks.points][axis][i]) : [];
    settings.plugins.annotations = {figure, theme, marks};
    new Chart(canvas, {type: 'line', data: {datasets: sets}, options: settings, plugins: [annotations]});
  };
})();
