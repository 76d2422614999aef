// @ts-check
/* Draws the charts of the block `chart-data` with echarts, and again when the width or the theme changes. */
(() => {
  /** @typedef {import('../charts.ts').ChartSpec} ChartSpec */
  /** @typedef {import('../charts.ts').BarChart} BarChart */
  /** @typedef {import('../charts.ts').LineChart} LineChart */
  /** @typedef {import('../charts.ts').ReliabilityChart} ReliabilityChart */
  /** @typedef {import('echarts').EChartsOption} Option */
  /** @typedef {import('echarts').CustomSeriesRenderItemAPI} Api */
  const lib = /** @type {typeof import('echarts')} */ (/** @type {any} */ (window).echarts);
  /** @type {Record<string, ChartSpec>} */
  const specs = JSON.parse(document.getElementById('chart-data')?.textContent ?? '{}');
  /** Tooltips are HTML. @param {string} value */
  const safe = (value) => lib.format.encodeHTML(value);
  /** @param {string} name */
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  /** @param {unknown} value */
  const text = (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return 'n/a';
    if (value === 0 || Math.abs(value) >= 0.01) return String(Number(value.toFixed(3)));
    return Math.abs(value) >= 0.001 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
  };
  /** @param {number | null | undefined} value @returns {value is number} */
  const isNumber = (value) => value !== null && value !== undefined && Number.isFinite(value);

  const colours = () => {
    const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark');
    return {
      ink: css('--ink'),
      muted: css('--muted'),
      line: css('--line'),
      paper: css('--paper'),
      accent: css('--shade'),
      // Okabe & Ito's palette; its black and deep blue are too dark on a dark ground.
      palette: dark
        ? ['#56b4e9', '#ff8c42', '#2fc79b', '#e39ac6', '#f0c040', '#9db8ff', '#d8dee6']
        : ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#c98500', '#56b4e9', '#3b4651'],
    };
  };

  /** @param {ReturnType<typeof colours>} c @returns {Option} */
  const base = (c) => ({
    animation: false,
    // Spelled out: legends are laid out by a canvas, which does not know 'inherit'.
    textStyle: { color: c.ink, fontFamily: getComputedStyle(document.body).fontFamily },
    tooltip: {
      confine: true,
      backgroundColor: c.paper,
      borderColor: c.line,
      textStyle: { color: c.ink, fontSize: 12 },
    },
  });

  /** @param {ReturnType<typeof colours>} c @param {string} name */
  const axis = (c, name) => ({
    name,
    nameLocation: /** @type {const} */ ('middle'),
    nameTextStyle: { color: c.muted, fontSize: 12 },
    axisLabel: { color: c.muted, fontSize: 11, hideOverlap: true },
    axisLine: { lineStyle: { color: c.line } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: c.line, opacity: 0.7 } },
  });

  /** @param {'share' | 'cosine' | 'log' | 'free'} scale */
  const extent = (scale) =>
    scale === 'share'
      ? { type: /** @type {const} */ ('value'), min: 0, max: 1 }
      : scale === 'cosine'
        ? { type: /** @type {const} */ ('value'), min: -1, max: 1 }
        : scale === 'log'
          ? { type: /** @type {const} */ ('log') }
          : { type: /** @type {const} */ ('value'), scale: true };

  /** @param {LineChart} chart @param {ReturnType<typeof colours>} c @param {number} width @returns {Option} */
  const lines = ({ panel, reference }, c, width) => {
    let next = 0;
    /** Training and validation of one quantity share a colour and an entry of the legend. @type {Map<string, string>} */
    const byName = new Map();
    /** @param {import('../data.ts').Curve} curve */
    const stemOf = (curve) =>
      curve.note ? `${curve.name} (${curve.note})` : curve.name.replace(/ (train|validation)$/, '');
    /** @param {import('../data.ts').Curve} curve */
    const colourOf = (curve) => {
      if (curve.lesion) return css(`--${curve.lesion}`);
      const stem = stemOf(curve);
      if (!byName.has(stem)) byName.set(stem, c.palette[next++ % c.palette.length]);
      return byName.get(stem);
    };
    const entries = [...new Set(panel.curves.map(stemOf))];
    // The legend wraps; echarts does not make room for it.
    let [rows, used] = [1, 0];
    for (const entry of entries) {
      const needed = entry.length * 6.9 + 40;
      if (used > 0 && used + needed > width - 16) [rows, used] = [rows + 1, 0];
      used += needed;
    }
    const xScale = panel.xScale ?? 'free';
    // A logarithmic axis has no place for 0.
    const isDrawable = (/** @type {number} */ x, /** @type {number | null} */ y) =>
      (xScale !== 'log' || x > 0) && (panel.scale !== 'log' || (isNumber(y) && y > 0));
    const byEpoch = panel.xScale === undefined;
    return {
      ...base(c),
      legend: {
        bottom: 0,
        textStyle: { color: c.ink, fontSize: 11 },
        inactiveColor: c.muted,
        icon: 'roundRect',
        itemWidth: 16,
        itemHeight: 4,
        itemGap: 8,
        data: entries,
      },
      grid: { left: 8, right: 16, top: 26, bottom: 32 + 19 * rows, containLabel: true },
      xAxis: {
        ...axis(c, panel.x),
        ...extent(xScale),
        ...(byEpoch ? { min: 'dataMin', max: 'dataMax', minInterval: 1 } : {}),
        nameGap: 24,
        splitLine: { show: false },
      },
      yAxis: {
        ...axis(c, panel.y),
        ...extent(panel.scale),
        nameLocation: 'end',
        nameGap: 10,
        nameTextStyle: { color: c.muted, fontSize: 12, align: 'left' },
        axisLabel: { color: c.muted, fontSize: 11, hideOverlap: true, formatter: text },
      },
      tooltip: {
        .../** @type {object} */ (base(c).tooltip),
        trigger: byEpoch ? 'axis' : 'item',
        formatter: (/** @type {any} */ hovered) => {
          if (!byEpoch) {
            const { marker, seriesName, value } = hovered;
            return `${marker}${safe(String(seriesName))}<br>${safe(panel.x)} ${text(value[0])}<br>${safe(panel.y)} ${text(value[1])}`;
          }
          const rows = hovered.map(
            (/** @type {any} */ one) =>
              `${one.marker}${safe(panel.curves[one.seriesIndex]?.name ?? '')} <b>${text(one.value[1])}</b>`,
          );
          return `${safe(panel.x)} ${text(hovered[0].value[0])}<br>${rows.join('<br>')}`;
        },
      },
      series: [
        ...panel.curves.map((curve) => ({
          name: stemOf(curve),
          type: /** @type {const} */ ('line'),
          data: curve.points.filter(([x, y]) => isDrawable(x, y)).map(([x, y]) => [x, isNumber(y) ? y : null]),
          connectNulls: false,
          showSymbol: curve.points.filter(([, y]) => isNumber(y)).length < 13,
          symbolSize: 5,
          color: colourOf(curve),
          lineStyle: {
            width: curve.dashed ? 1.5 : 2,
            type: /** @type {'dashed' | 'solid'} */ (curve.dashed ? 'dashed' : 'solid'),
          },
          emphasis: { focus: /** @type {const} */ ('series') },
        })),
        ...(reference
          ? [
              {
                type: /** @type {const} */ ('line'),
                data: reference.map((point) => [...point]),
                showSymbol: false,
                silent: true,
                color: c.muted,
                lineStyle: { width: 1, type: /** @type {const} */ ('dotted') },
              },
            ]
          : []),
      ],
    };
  };

  /** @param {BarChart} chart @param {ReturnType<typeof colours>} c @param {number} width @returns {Option} */
  const bars = ({ categories, series }, c, width) => {
    const long = categories.some((name) => name.length > 12);
    const most = Math.max(7, Math.floor(width / Math.max(1, categories.length) / 7));
    return {
      ...base(c),
      legend: {
        bottom: 0,
        textStyle: { color: c.ink, fontSize: 11 },
        itemWidth: 14,
        itemHeight: 10,
        data: series.map(({ name }) => name),
      },
      grid: { left: 8, right: 8, top: 16, bottom: 34, containLabel: true },
      xAxis: {
        ...axis(c, ''),
        type: 'category',
        data: [...categories],
        axisLabel: {
          color: c.ink,
          fontSize: 11,
          interval: 0,
          ...(long ? { width: most * 6.4, overflow: /** @type {const} */ ('break'), lineHeight: 13 } : {}),
        },
      },
      yAxis: { ...axis(c, ''), type: 'value', min: 0, max: 1 },
      tooltip: {
        .../** @type {object} */ (base(c).tooltip),
        trigger: 'axis',
        axisPointer: { type: 'shadow' },
        formatter: (/** @type {any} */ points) => {
          const index = points[0].dataIndex;
          const rows = series.map(({ name, values }) => {
            const { value, low, high } = values[index];
            const interval = isNumber(low) && isNumber(high) ? ` (${text(low)} – ${text(high)})` : '';
            return `${safe(name)}: <b>${text(value)}</b>${interval}`;
          });
          return `${safe(categories[index])}<br>${rows.join('<br>')}`;
        },
      },
      series: series.flatMap(({ name, values }, at) => [
        {
          name,
          type: /** @type {const} */ ('bar'),
          color: c.palette[at % c.palette.length],
          barMaxWidth: 34,
          barGap: '12%',
          itemStyle: { borderRadius: /** @type {[number, number, number, number]} */ ([3, 3, 0, 0]) },
          data: values.map(({ value }) => (isNumber(value) ? value : null)),
        },
        {
          name,
          type: /** @type {const} */ ('custom'),
          silent: true,
          z: 5,
          tooltip: { show: false },
          itemStyle: { color: c.ink },
          data: values.map(({ low, high }, index) =>
            isNumber(low) && isNumber(high) ? [index, low, high] : [index, null, null],
          ),
          encode: { x: 0, y: [1, 2] },
          renderItem: (/** @type {unknown} */ _, /** @type {Api} */ api) => {
            const [index, low, high] = [api.value(0), api.value(1), api.value(2)].map(Number);
            const chosen = values[index];
            if (!isNumber(chosen?.low) || !isNumber(chosen?.high)) return undefined;
            const slots = api.barLayout?.({ barGap: '12%', barMaxWidth: 34, count: series.length });
            const offset = slots?.[at]?.offsetCenter ?? 0;
            const top = api.coord([index, high]);
            const bottom = api.coord([index, low]);
            const x = top[0] + offset;
            const style = { stroke: c.ink, lineWidth: 1.5, opacity: 0.75 };
            /** @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
            const line = (x1, y1, x2, y2) => ({
              type: /** @type {const} */ ('line'),
              shape: { x1, y1, x2, y2 },
              style,
            });
            return {
              type: /** @type {const} */ ('group'),
              children: [
                line(x, top[1], x, bottom[1]),
                line(x - 4, top[1], x + 4, top[1]),
                line(x - 4, bottom[1], x + 4, bottom[1]),
              ],
            };
          },
        },
      ]),
    };
  };

  /** @param {ReliabilityChart} chart @param {ReturnType<typeof colours>} c @returns {Option} */
  const reliability = ({ bins }, c) => {
    const filled = bins.filter(({ count }) => count > 0);
    return {
      ...base(c),
      grid: { left: 26, right: 14, top: 18, bottom: 24, containLabel: true },
      xAxis: { ...axis(c, 'confidence'), type: 'value', min: 0, max: 1, nameGap: 26 },
      yAxis: { ...axis(c, 'share right'), type: 'value', min: 0, max: 1, nameGap: 34 },
      tooltip: {
        .../** @type {object} */ (base(c).tooltip),
        formatter: (/** @type {any} */ p) => {
          const bin = filled[p.dataIndex];
          return `confidence ${text(bin.low)} – ${text(bin.high)}<br>${bin.count} cases<br>mean confidence <b>${text(bin.confidence)}</b><br>right <b>${text(bin.accuracy)}</b>`;
        },
      },
      series: [
        {
          type: 'custom',
          data: filled.map(({ low, high, accuracy, count }) => [low, high, accuracy, count]),
          encode: { x: [0, 1], y: 2 },
          renderItem: (/** @type {unknown} */ _, /** @type {Api} */ api) => {
            const [left, top] = api.coord([api.value(0), api.value(2)]);
            const [right, bottom] = api.coord([api.value(1), 0]);
            return {
              type: 'group',
              children: [
                {
                  type: 'rect',
                  shape: { x: left + 1, y: top, width: Math.max(1, right - left - 2), height: bottom - top },
                  style: { fill: c.accent, opacity: 0.85 },
                },
                {
                  type: 'text',
                  x: (left + right) / 2,
                  y: Math.max(10, top - 3),
                  style: {
                    text: String(api.value(3)),
                    align: 'center',
                    verticalAlign: 'bottom',
                    fontSize: 10,
                    fill: c.muted,
                  },
                },
              ],
            };
          },
        },
        {
          type: 'line',
          data: [
            [0, 0],
            [1, 1],
          ],
          showSymbol: false,
          silent: true,
          lineStyle: { color: c.ink, width: 1.5, type: 'dashed' },
          z: 4,
        },
      ],
    };
  };

  /** @param {ChartSpec} spec @param {number} width @returns {Option} */
  const optionOf = (spec, width) => {
    const c = colours();
    if (spec.kind === 'lines') return lines(spec, c, width);
    return spec.kind === 'bars' ? bars(spec, c, width) : reliability(spec, c);
  };

  /** @type {Map<HTMLElement, import('echarts').ECharts>} */
  const drawn = new Map();
  /** @param {HTMLElement} place */
  const draw = (place) => {
    const chart = drawn.get(place) ?? lib.init(place, null, { renderer: 'svg' });
    drawn.set(place, chart);
    chart.resize();
    chart.setOption(optionOf(specs[place.id], place.clientWidth), { notMerge: true });
  };
  const drawAll = () => {
    for (const place of drawn.keys()) draw(place);
  };
  // Charts far below are drawn when they come near: a phone need not draw thirty at once.
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        const place = /** @type {HTMLElement} */ (target);
        draw(place);
        new ResizeObserver(() => {
          if (place.clientWidth > 0 && place.clientWidth !== drawn.get(place)?.getWidth()) draw(place);
        }).observe(place);
      }
    },
    { rootMargin: '600px' },
  );
  const places = Object.keys(specs).flatMap((id) => document.getElementById(id) ?? []);
  for (const place of places) near.observe(place);
  document.addEventListener('gmtl-theme', drawAll);
  addEventListener('beforeprint', () => places.forEach(draw));
})();
