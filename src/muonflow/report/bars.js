// Horizontal bars: one a contender, its name beside it, its number at its end, and a dashed
// level across (the measured peak).
'use strict';

(() => {
  const colourOf = (role, theme) =>
    role === 'ours' ? theme.series(0)
                    : muonflow.faint(theme.series(7), role === 'other' ? 0.35 : 0.8);

  // "OpenBLAS, ssyrk and ssymm": the library, and in further lines how it was used.
  const lines = (label) => {
    const comma = label.indexOf(', ');
    if (comma < 0) return [label];
    const wrapped = [label.slice(0, comma), ''];
    for (const word of label.slice(comma + 2).split(' ')) {
      const last = wrapped.length - 1;
      if (wrapped[last] && wrapped[last].length + word.length > 30) wrapped.push(word);
      else wrapped[last] += (wrapped[last] ? ' ' : '') + word;
    }
    return wrapped;
  };

  const numbers = {
    id: 'numbers',
    afterDatasetsDraw(chart) {
      const {figure, theme} = chart.options.plugins.numbers;
      const {ctx, chartArea: area, scales} = chart;
      ctx.save();
      ctx.font = `12px ${theme.font}`;
      if (figure.level) {
        const x = scales.x.getPixelForValue(figure.level.value);
        ctx.strokeStyle = theme.muted;
        ctx.lineWidth = 1;
        ctx.setLineDash([4, 4]);
        ctx.beginPath();
        ctx.moveTo(x, area.top);
        ctx.lineTo(x, area.bottom);
        ctx.stroke();
        ctx.setLineDash([]);
        ctx.fillStyle = theme.muted;
        ctx.textAlign = x > (area.left + area.right) / 2 ? 'right' : 'left';
        ctx.textBaseline = 'bottom';
        ctx.fillText(figure.level.label, x, area.top - 3);
      }
      ctx.textBaseline = 'middle';
      ctx.textAlign = 'left';
      ctx.lineJoin = 'round';
      chart.getDatasetMeta(0).data.forEach((bar, i) => {
        const text = muonflow.number(figure.bars[i].value, 3);
        // A halo keeps the number readable on the dashed level.
        ctx.strokeStyle = theme.ground;
        ctx.lineWidth = 4;
        ctx.strokeText(text, bar.x + 5, bar.y);
        ctx.fillStyle = theme.ink;
        ctx.fillText(text, bar.x + 5, bar.y);
      });
      ctx.restore();
    },
  };

  muonflow.drawBars = (figure) => {
    const canvas = document.getElementById(figure.id);
    Chart.getChart(canvas)?.destroy();
    const theme = muonflow.theme();
    const font = {family: theme.font, size: 11};
    const labels = figure.bars.map((bar) => lines(bar.label));
    // Every bar has the room that the longest name needs, whatever their number.
    const most = Math.max(...labels.map((label) => label.length), 1);
    canvas.parentElement.style.height = `${70 + labels.length * (13.5 * most + 7)}px`;
    const values = figure.bars.map((bar) => bar.value);
    const top = Math.max(...values, figure.level?.value ?? 0, 0) || 1;
    new Chart(canvas, {
      type: 'bar',
      data: {
        labels,
        datasets: [{
          data: values,
          backgroundColor: figure.bars.map((bar) => colourOf(bar.role, theme)),
          barPercentage: 0.75,
          categoryPercentage: 0.95,
        }],
      },
      options: {
        indexAxis: 'y',
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        devicePixelRatio: Math.max(2, window.devicePixelRatio),
        locale: 'en-US',
        layout: {padding: {top: 14}},
        scales: {
          x: {
            min: 0,
            max: 1.12 * top,  // room for the number of the longest bar
            grid: {color: theme.grid, borderColor: theme.rule, tickLength: 4},
            title: {display: true, text: figure.x, color: theme.ink, font: {...font, size: 12}},
            ticks: {color: theme.muted, font, maxRotation: 0, callback: (value) => muonflow.number(value, 5)},
            afterBuildTicks: (built) => {
              const count = Math.max(2, built.width / 65);
              built.ticks = muonflow.ticks(0, built.max, count).map((value) => ({value}));
            },
          },
          y: {
            grid: {display: false, borderColor: theme.rule},
            ticks: {color: theme.ink, font, autoSkip: false},
          },
        },
        plugins: {
          numbers: {figure, theme},
          legend: {display: false},
          tooltip: {enabled: false},  // every number stands beside its bar
        },
      },
      plugins: [numbers],
    });
  };
})();
