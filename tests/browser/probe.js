// Put at the end of a report by the browser tests: measures the page, uses its controls as a reader
// would, and writes what it found into the page as JSON.
'use strict';

(() => {
  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

  function canvasOf(canvas) {
    const box = canvas.getBoundingClientRect();
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let inked = 0;
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 0) continue;
      inked += 1;
      colours.add((data[i] >> 4 << 8) | (data[i + 1] >> 4 << 4) | (data[i + 2] >> 4));
    }
    return {
      id: canvas.id,
      left: box.left,
      top: box.top + scrollY,
      width: box.width,
      height: box.height,
      ink: inked / (canvas.width * canvas.height),
      colours: colours.size,
      label: canvas.getAttribute('aria-label'),
    };
  }

  // Elements that reach beyond the right edge, unless a box of their own scrolls them.
  function overflowing() {
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
      if (element.closest('.table, pre, .switch')) continue;
      if (element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5) {
        found.push(element.tagName + '#' + element.id + '.' + element.className);
      }
    }
    return found;
  }

  function lossChart() {
    const chart = Chart.getChart('training-loss');
    return {
      axis: chart.options.scales.x.title.text,
      top: chart.scales.y.max,
      hidden: chart.data.datasets.filter((set) => set.hidden).length,
      x_max: chart.scales.x.max,
    };
  }

  function interactions() {
    if (!document.getElementById('training-loss')) return null;
    const result = {start: lossChart()};
    for (const id of ['axis-tokens', 'axis-seconds', 'axis-step', 'range-whole']) {
      document.getElementById(id).click();
      result[id] = lossChart();
    }
    const chip = document.querySelector('button.chip[data-section="training"]');
    chip.click();
    result.hidden = {...lossChart(), pressed: chip.getAttribute('aria-pressed')};
    chip.click();
    document.getElementById('range-detail').click();
    result.end = lossChart();
    return result;
  }

  function heatmap() {
    const canvas = document.querySelector('canvas[id*="spectra"]');
    if (!canvas) return null;
    const box = canvas.getBoundingClientRect();
    const readout = canvas.closest('figure').querySelector('.readout');
    canvas.dispatchEvent(new PointerEvent('pointermove', {
      clientX: box.left + box.width / 2,
      clientY: box.top + box.height / 3,
    }));
    return readout.textContent;
  }

  function printing() {
    dispatchEvent(new Event('beforeprint'));
    const during = {
      ground: variable('ground'),
      body: document.body.getBoundingClientRect().width,
      blank: [...document.querySelectorAll('canvas')].filter((c) => canvasOf(c).ink < 0.01).map((c) => c.id),
    };
    dispatchEvent(new Event('afterprint'));
    return {during, after: variable('ground')};
  }

  function probe() {
    const out = {
      ready: document.documentElement.dataset.ready ?? 'no',
      errors: window.probeErrors,
      inner_width: innerWidth,
      scroll_width: document.documentElement.scrollWidth,
      client_width: document.documentElement.clientWidth,
      scroll_height: document.documentElement.scrollHeight,
      overflowing: overflowing(),
      canvases: [...document.querySelectorAll('canvas')].map(canvasOf),
      resources: performance.getEntriesByType('resource').map((entry) => entry.name),
      outside: [...document.querySelectorAll('[src], [href]')]
        .map((element) => element.getAttribute('src') ?? element.getAttribute('href'))
        .filter((address) => !address.startsWith('data:')),
      dark: matchMedia('(prefers-color-scheme: dark)').matches,
      background: getComputedStyle(document.body).backgroundColor,
      colours: Object.fromEntries(
        ['ground', 'panel', 'ink', 'muted', 'accent', 'warn', ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => 'series-' + i)]
          .map((name) => [name, variable(name)])),
      smallest_text: Math.min(...[...document.querySelectorAll('p, td, th, figcaption, li, label, pre, sup')]
        .map((element) => parseFloat(getComputedStyle(element).fontSize))),
      interactions: interactions(),
      heatmap: heatmap(),
      printing: printing(),
    };
    const result = document.createElement('script');
    result.type = 'application/json';
    result.id = 'probe';
    result.textContent = JSON.stringify(out).replaceAll('<', '\\u003c');
    document.body.append(result);
    if (parent !== window) parent.postMessage(result.textContent, '*');
  }

  addEventListener('load', () => setTimeout(probe, 200));
})();
