// Heat maps on a plain canvas: columns are times, rows are the sorted singular values, colour is the
// logarithm of the value. The ramp runs from dark blue to yellow with steadily rising lightness, so it
// reads the same in grey and to colour-blind eyes.
'use strict';

(() => {
  const ramp = [
    [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141],
    [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
  ];

  function colour(share) {
    const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    const mix = ramp[low].map((c, i) => Math.round(c + (at - low) * (ramp[low + 1][i] - c)));
    return `rgb(${mix.join(',')})`;
  }

  // The colour axis: whole decades where there are some, never more than six of them.
  function colourRange(rows) {
    let low = Infinity;
    let high = 0;
    for (const row of rows) {
      for (const value of row) {
        if (value > high) high = value;
        if (value > 0 && value < low) low = value;
      }
    }
    if (high === 0) return {low: 0.1, high: 1};
    low = Math.max(low, high * 1e-6);
    return low === high ? {low: high / 10, high} : {low, high};
  }

  function edges(x) {
    const middle = (i) => (x[i - 1] + x[i]) / 2;
    if (x.length === 1) return [x[0] - 0.5, x[0] + 0.5];
    return [x[0], ...x.slice(1).map((_, i) => middle(i + 1)), x[x.length - 1]];
  }

  function prepare(canvas) {
    const box = canvas.parentElement.getBoundingClientRect();
    const ratio = Math.max(2, window.devicePixelRatio);
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.height * ratio);
    canvas.style.width = box.width + 'px';
    canvas.style.height = box.height + 'px';
    const ctx = canvas.getContext('2d');
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    return {ctx, width: box.width, height: box.height};
  }

  function drawAxes(ctx, map, area, rows, theme) {
    ctx.font = `12px ${theme.font}`;
    ctx.fillStyle = theme.muted;
    ctx.strokeStyle = theme.rule;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'top';
    for (const tick of muonflow.ticks(area.from, area.to, Math.max(2, area.width / 65))) {
      ctx.fillText(muonflow.number(tick), area.x(tick), area.bottom + 8);
      ctx.fillRect(area.x(tick) - 0.5, area.bottom, 1, 4);
    }
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    const every = Math.ceil(rows / Math.max(1, area.height / 18));
    for (let r = 0; r < rows; r += every) {
      ctx.fillText(String(r + 1), area.left - 7, area.top + ((r + 0.5) * area.height) / rows);
    }
    ctx.fillStyle = theme.ink;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'bottom';
    ctx.fillText(map.x_label, (area.left + area.right) / 2, area.bottom + 41);
    ctx.save();
    ctx.translate(2, (area.top + area.bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textBaseline = 'top';
    ctx.fillText(map.y_label, 0, 0);
    ctx.restore();
  }

  function drawLegend(ctx, map, area, range, right, theme) {
    const bar = {left: area.right + 16, width: 14};
    for (let y = 0; y < area.height; ++y) {
      ctx.fillStyle = colour(1 - y / (area.height - 1));
      ctx.fillRect(bar.left, area.top + y, bar.width, 1.5);
    }
    ctx.fillStyle = theme.muted;
    ctx.textAlign = 'left';
    ctx.textBaseline = 'middle';
    const span = Math.log(range.high / range.low);
    for (const tick of muonflow.logTicks(range.low, range.high, Math.max(2, area.height / 40))) {
      const y = area.bottom - (Math.log(tick / range.low) / span) * area.height;
      ctx.fillRect(bar.left + bar.width, y - 0.5, 4, 1);
      ctx.fillText(muonflow.logTick(tick, range.low, range.high), bar.left + bar.width + 7, y);
    }
    ctx.save();
    ctx.translate(right - 2, (area.top + area.bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textAlign = 'center';
    ctx.textBaseline = 'bottom';
    ctx.fillStyle = theme.ink;
    ctx.fillText(map.value_label, 0, 0);
    ctx.restore();
  }

  // map: {id, x: times, rows: one list of values a row, x_label, y_label, value_label}
  muonflow.drawHeatmap = (map) => {
    const canvas = document.getElementById(map.id);
    const theme = muonflow.theme();
    const {ctx, width, height} = prepare(canvas);
    const bounds = edges(map.x);
    const area = {left: 46, top: 6, right: width - 92, bottom: height - 44, from: bounds[0], to: bounds[bounds.length - 1]};
    area.width = area.right - area.left;
    area.height = area.bottom - area.top;
    area.x = (t) => area.left + ((t - area.from) / (area.to - area.from || 1)) * area.width;
    const range = colourRange(map.rows);
    const span = Math.log(range.high / range.low);
    const tall = area.height / map.rows.length;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left, area.top, area.width, area.height);
    ctx.clip();
    map.rows.forEach((row, r) => {
      row.forEach((value, i) => {
        if (value === null) return;
        ctx.fillStyle = colour(value > 0 ? Math.log(value / range.low) / span : 0);
        const left = area.x(bounds[i]);
        // Half a pixel of overlap hides the seams between cells.
        ctx.fillRect(left, area.top + r * tall, area.x(bounds[i + 1]) - left + 0.5, tall + 0.5);
      });
    });
    ctx.restore();
    drawAxes(ctx, map, area, map.rows.length, theme);
    drawLegend(ctx, map, area, range, width, theme);
    return {area, bounds};
  };

  // Reads the value under the pointer aloud below the map.
  muonflow.readHeatmap = (map, event, drawn) => {
    const {area, bounds} = drawn;
    const box = document.getElementById(map.id).getBoundingClientRect();
    const time = area.from + ((event.clientX - box.left - area.left) / area.width) * (area.to - area.from);
    const row = Math.floor(((event.clientY - box.top - area.top) / area.height) * map.rows.length);
    const column = bounds.findIndex((edge, i) => i + 1 < bounds.length && time >= edge && time <= bounds[i + 1]);
    if (row < 0 || row >= map.rows.length || column < 0) return '';
    const value = map.rows[row][column];
    return `time ${muonflow.number(map.x[column])}, singular value ${row + 1}: ` +
           (value === null ? 'not recorded' : muonflow.number(value, 4));
  };
})();
