// The page: reads the numbers, draws the figures, and redraws them when the reader chooses another
// axis, hides a run, changes the colour scheme or prints.
'use strict';

(() => {
  const data = JSON.parse(document.getElementById('muonflow-data').textContent);
  const views = {};  // by section: {axis, whole, hidden}
  const drawnMaps = new Map();

  const viewOf = (section) => (views[section] ??= {axis: '', whole: false, hidden: new Set()});

  function draw(section) {
    for (const figure of data.lines) {
      if (!section || figure.section === section) muonflow.drawLines(figure, data, viewOf(figure.section));
    }
    if (!section) {
      for (const figure of data.bars) muonflow.drawBars(figure);
    }
    if (!section || section === 'flow') {
      for (const map of data.heatmaps) drawnMaps.set(map.id, muonflow.drawHeatmap(map));
    }
  }

  for (const chip of document.querySelectorAll('button.chip')) {
    chip.addEventListener('click', () => {
      const {section, run} = chip.dataset;
      const hidden = viewOf(section).hidden;
      const show = hidden.delete(Number(run));
      if (!show) hidden.add(Number(run));
      chip.setAttribute('aria-pressed', String(show));
      draw(section);
    });
  }
  for (const choice of document.querySelectorAll('.switch input')) {
    if (choice.checked && choice.dataset.axis) viewOf(choice.dataset.section).axis = choice.dataset.axis;
    choice.addEventListener('change', () => {
      const view = viewOf(choice.dataset.section);
      if (choice.dataset.axis) view.axis = choice.dataset.axis;
      if (choice.dataset.range) view.whole = choice.dataset.range === 'whole';
      draw(choice.dataset.section);
    });
  }
  for (const map of data.heatmaps) {
    const canvas = document.getElementById(map.id);
    const readout = canvas.closest('figure').querySelector('.readout');
    const invitation = readout.textContent;
    canvas.addEventListener('pointermove', (event) => {
      readout.textContent = muonflow.readHeatmap(map, event, drawnMaps.get(map.id)) || invitation;
    });
    canvas.addEventListener('pointerleave', () => { readout.textContent = invitation; });
    new ResizeObserver(() => drawnMaps.set(map.id, muonflow.drawHeatmap(map))).observe(canvas.parentElement);
  }

  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => draw());
  // Paper is white whatever the screen: the class forces the light colours while printing.
  addEventListener('beforeprint', () => {
    document.documentElement.classList.add('printing');
    draw();
  });
  addEventListener('afterprint', () => {
    document.documentElement.classList.remove('printing');
    draw();
  });

  draw();
  document.documentElement.dataset.ready = 'yes';
})();
