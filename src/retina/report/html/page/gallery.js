// @ts-check
/* The gallery: overlays drawn from the packed masks, sorting and filtering, and the large view. */
(() => {
  /** @typedef {import('../gallery.ts').GalleryBlock} Block */
  /** @typedef {import('../pictures.ts').PackedMasks} Packed */
  /** @typedef {{ width: number, height: number, known: number, bytes: Uint8Array }} Masks */
  /** @typedef {{ truth: Masks | null, predicted: Masks | null }} Pair */
  /** @type {Block} */
  const block = JSON.parse(document.getElementById('gallery-data')?.textContent ?? '{}');
  const list = /** @type {HTMLElement} */ (document.getElementById('gallery'));
  const tools = /** @type {HTMLFormElement} */ (document.getElementById('gallery-tools'));
  const count = /** @type {HTMLElement} */ (document.getElementById('gallery-count'));
  const key = document.getElementById('agreement-key');
  const cards = /** @type {HTMLElement[]} */ ([...list.children]);
  const AGREEMENT = { hit: [0, 200, 150], false: [240, 228, 66], miss: [86, 180, 255] };

  /** @param {Packed | null} packed @returns {Promise<Masks | null>} */
  const unpack = async (packed) => {
    if (!packed) return null;
    const raw = Uint8Array.from(atob(packed.bits), (one) => one.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return { ...packed, bytes: new Uint8Array(await new Response(stream).arrayBuffer()) };
  };
  /** @type {Map<number, Promise<Pair>>} */
  const unpacked = new Map();
  /** @param {number} index @returns {Promise<Pair>} */
  const masksOf = (index) => {
    let pair = unpacked.get(index);
    if (!pair) {
      const { truth, predicted } = block.pictures[index];
      pair = Promise.all([unpack(truth), unpack(predicted)]).then(([first, second]) => ({
        truth: first,
        predicted: second,
      }));
      unpacked.set(index, pair);
    }
    return pair;
  };

  /** What the tools are set to. */
  const settings = () => {
    const form = new FormData(tools);
    const names = new Set(form.getAll('lesion'));
    return {
      layer: String(form.get('layer') ?? 'none'),
      lesions: block.lesions
        .map(({ name }, bit) => (names.has(name) ? 1 << bit : 0))
        .reduce((sum, bit) => sum | bit, 0),
      opacity: Number(form.get('opacity') ?? 45) / 100,
      divider: Number(form.get('divider') ?? 50) / 100,
      filter: String(form.get('filter')),
      sort: String(form.get('sort')),
    };
  };

  /**
   * The masks' bits brought to the size of the canvas by nearest pixel.
   * @param {Masks | null} masks @param {number} width @param {number} height @param {number} wanted
   */
  const scaled = (masks, width, height, wanted) => {
    const bits = new Uint8Array(width * height);
    if (!masks) return bits;
    for (let y = 0, at = 0; y < height; y++) {
      const row = Math.floor((y * masks.height) / height) * masks.width;
      for (let x = 0; x < width; x++, at++)
        bits[at] = masks.bytes[row + Math.floor((x * masks.width) / width)] & wanted;
    }
    return bits;
  };

  /**
   * Outlines lie within the mask's edge: a lesion of few pixels becomes opaque rather than vanish.
   * @param {Uint8Array} bits @param {number} at @param {number} x @param {number} width @param {number} height @param {number} bit
   */
  const isEdge = (bits, at, x, width, height, bit) =>
    x === 0 ||
    x === width - 1 ||
    at < width ||
    at >= width * (height - 1) ||
    !(bits[at - 1] & bits[at + 1] & bits[at - width] & bits[at + width] & bit);

  /** @param {HTMLCanvasElement} canvas @param {Pair} pair @param {number} width @param {number} height */
  const paint = (canvas, { truth, predicted }, width, height) => {
    const { layer, lesions, opacity, divider } = settings();
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d');
    if (!context || layer === 'none' || (!truth && !predicted)) return;
    const picture = context.createImageData(width, height);
    const { data } = picture;
    const trueBits = scaled(truth, width, height, lesions);
    const predictedBits = scaled(predicted, width, height, lesions);
    /** @param {number} at @param {readonly number[]} rgb @param {number} alpha */
    const put = (at, rgb, alpha) => {
      data.set([rgb[0], rgb[1], rgb[2], Math.round(255 * alpha)], at * 4);
    };
    if (layer === 'agreement' && truth && predicted) {
      const both = new Uint8Array(width * height);
      for (let at = 0; at < both.length; at++) {
        const [t, p] = [trueBits[at], predictedBits[at]];
        both[at] = (t & p ? 1 : 0) | (p & ~t ? 2 : 0) | (t & ~p ? 4 : 0);
      }
      // What was missed lies on top: it is what a reader looks for.
      for (const [bit, rgb] of /** @type {const} */ ([
        [1, AGREEMENT.hit],
        [2, AGREEMENT.false],
        [4, AGREEMENT.miss],
      ])) {
        for (let at = 0; at < both.length; at++) {
          if (both[at] & bit)
            put(
              at,
              rgb,
              isEdge(both, at, at % width, width, height, bit) ? Math.max(opacity, 0.9 * Math.sign(opacity)) : opacity,
            );
        }
      }
    } else {
      const edge = Math.round(divider * width);
      // Pictures without truth have nothing to compare with.
      const isSplit = layer === 'compare' && truth !== null && predicted !== null;
      const first = layer === 'truth' || (layer === 'compare' && !predicted) ? trueBits : predictedBits;
      for (let order = block.lesions.length - 1; order >= 0; order--) {
        const bit = 1 << order;
        const { rgb, name } = block.lesions[order];
        const fill = name === 'OD' ? opacity / 2 : opacity;
        for (let at = 0; at < first.length; at++) {
          const x = at % width;
          const bits = isSplit ? (x < edge ? trueBits : predictedBits) : first;
          if (bits[at] & bit) put(at, rgb, isEdge(bits, at, x, width, height, bit) ? Math.min(1, opacity * 2.2) : fill);
        }
      }
      context.putImageData(picture, 0, 0);
      if (isSplit) {
        context.fillStyle = 'rgb(255 255 255 / .9)';
        context.fillRect(edge - 1, 0, 2, height);
        context.font = `600 ${Math.max(11, Math.round(width / 30))}px system-ui, sans-serif`;
        context.shadowColor = '#000';
        context.shadowBlur = 4;
        context.textBaseline = 'top';
        if (edge > width * 0.12) context.fillText('truth', 8, 8);
        context.textAlign = 'right';
        if (edge < width * 0.75) context.fillText('prediction', width - 8, 8);
      }
      return;
    }
    context.putImageData(picture, 0, 0);
  };

  /** @param {HTMLElement} card @param {HTMLElement} [holder] */
  const paintCard = async (card, holder = card) => {
    const canvas = holder.querySelector('canvas');
    const image = holder.querySelector('img');
    if (canvas && image)
      paint(
        canvas,
        await masksOf(Number(card.dataset.index)),
        Number(image.getAttribute('width')),
        Number(image.getAttribute('height')),
      );
  };

  const visible = new Set();
  const near = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) visible.delete(target);
        else {
          visible.add(target);
          paintCard(/** @type {HTMLElement} */ (target));
        }
      }
    },
    { rootMargin: '300px' },
  );
  for (const card of cards) near.observe(card);

  /** @type {Record<string, (left: HTMLElement, right: HTMLElement) => number>} */
  const orders = {
    worst: (left, right) => Number(right.dataset.badness) - Number(left.dataset.badness) || byName(left, right),
    best: (left, right) => Number(left.dataset.badness) - Number(right.dataset.badness) || byName(left, right),
    name: (left, right) => byName(left, right),
    confidence: (left, right) =>
      Number(right.dataset.confidence) - Number(left.dataset.confidence) || byName(left, right),
  };
  /** @param {HTMLElement} left @param {HTMLElement} right */
  const byName = (left, right) =>
    (left.dataset.name ?? '').localeCompare(right.dataset.name ?? '', 'en', { numeric: true });
  // A page of a hundred pictures is a hundred screens of a phone: they come in steps, and all of them in print.
  const STEP = 24;
  const more = /** @type {HTMLElement} */ (document.getElementById('gallery-more'));
  const next = /** @type {HTMLButtonElement} */ (more.querySelector('[data-more]'));
  let limit = STEP;
  /** What the filter lets through, in order: the large view steps through all of it. @type {HTMLElement[]} */
  let matching = [];
  const reveal = () => {
    const shown = new Set(matching.slice(0, limit));
    for (const card of cards) card.hidden = !shown.has(card);
    const of = matching.length === cards.length ? '' : ` that are chosen, of ${cards.length} in all`;
    const first = shown.size < matching.length ? `The first ${shown.size} of ` : '';
    count.textContent = `${first}${matching.length} picture${matching.length === 1 ? '' : 's'}${of}`;
    const left = matching.length - shown.size;
    more.hidden = left === 0;
    next.textContent = `Show ${Math.min(STEP, left)} more`;
  };
  const arrange = () => {
    const { filter, sort } = settings();
    const ordered = cards.toSorted(orders[sort] ?? orders.worst);
    list.append(...ordered);
    matching = ordered.filter((card) => filter === 'all' || (card.dataset.kinds ?? '').split(' ').includes(filter));
    limit = STEP;
    reveal();
  };
  arrange();
  more.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (!button) return;
    const first = matching[limit];
    limit = button === next ? limit + STEP : matching.length;
    reveal();
    // The button moves down or goes: the focus stays where reading goes on.
    first?.querySelector('button')?.focus({ preventScroll: true });
  });

  let scheduled = false;
  const repaint = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      for (const card of visible) paintCard(card);
      if (current) paintCard(current, pane);
    });
  };
  tools.addEventListener('submit', (event) => event.preventDefault());
  tools.addEventListener('input', (event) => {
    const name = event.target instanceof HTMLElement ? event.target.getAttribute('name') : '';
    if (name === 'sort' || name === 'filter') arrange();
    else repaint();
    if (key) key.hidden = settings().layer !== 'agreement';
  });

  // The large view.
  const viewer = /** @type {HTMLDialogElement} */ (document.getElementById('viewer'));
  const pane = /** @type {HTMLElement} */ (viewer.querySelector('.viewer-pane .picture'));
  const zoom = /** @type {HTMLInputElement} */ (document.getElementById('viewer-zoom'));
  const heading = /** @type {HTMLElement} */ (document.getElementById('viewer-title'));
  const words = /** @type {HTMLElement} */ (viewer.querySelector('.viewer-text'));
  /** @type {HTMLElement | undefined} */
  let current;
  const fit = () => {
    const image = pane.querySelector('img');
    if (!image) return;
    const [width, height] = [Number(image.getAttribute('width')), Number(image.getAttribute('height'))];
    const side = Math.min(innerWidth * 0.96, 1100, (innerHeight * 0.66 * width) / height);
    pane.style.width = `${(side * Number(zoom.value)) / 100}px`;
    pane.style.aspectRatio = `${width} / ${height}`;
  };
  /** @param {HTMLElement} card */
  const show = (card) => {
    current = card;
    heading.textContent = card.dataset.name ?? '';
    const picture = card.querySelector('.picture');
    pane.replaceChildren(...[...(picture?.children ?? [])].map((one) => one.cloneNode(true)));
    words.replaceChildren(...[...card.querySelectorAll('.caption p')].map((one) => one.cloneNode(true)));
    zoom.value = '100';
    choice.value = settings().layer;
    fit();
    paintCard(card, pane);
    if (!viewer.open) viewer.showModal();
  };
  /** @param {number} by */
  const step = (by) => {
    const at = current ? matching.indexOf(current) : -1;
    if (matching.length > 0) show(matching[(at + by + matching.length) % matching.length]);
  };
  list.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target.closest('.picture') : null;
    const card = target?.closest('.card');
    if (card) show(/** @type {HTMLElement} */ (card));
  });
  viewer.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const button = target?.closest('button');
    if (target === viewer || button?.hasAttribute('data-close')) viewer.close();
    else if (button?.hasAttribute('data-step')) step(Number(button.dataset.step));
  });
  viewer.addEventListener('close', () => {
    const button = current?.querySelector('button');
    // Stepping may have gone beyond the pictures that are shown.
    if (current?.hidden) {
      limit = STEP * Math.ceil((matching.indexOf(current) + 1) / STEP);
      reveal();
    }
    current = undefined;
    button?.focus();
  });
  viewer.addEventListener('keydown', (event) => {
    // Arrows move sliders and scroll the enlarged picture first.
    if (
      event.target instanceof HTMLInputElement ||
      event.target instanceof HTMLSelectElement ||
      Number(zoom.value) > 100
    )
      return;
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
  });
  // The tools are out of reach while the large view is open: it offers the choice of overlays again.
  const choice = /** @type {HTMLSelectElement} */ (document.getElementById('viewer-layer'));
  const radios = /** @type {HTMLInputElement[]} */ ([...tools.querySelectorAll('input[name="layer"]')]);
  choice.append(
    ...radios.map((radio) => new Option(radio.nextElementSibling?.textContent ?? radio.value, radio.value)),
  );
  if (radios.length === 0) choice.closest('label')?.remove();
  choice.addEventListener('input', () => radios.find((radio) => radio.value === choice.value)?.click());
  zoom.addEventListener('input', fit);
  addEventListener('resize', () => viewer.open && fit());
  // Dragging over the picture moves the divider.
  const divider = /** @type {HTMLInputElement | null} */ (tools.elements.namedItem('divider'));
  pane.addEventListener('pointermove', (event) => {
    if (!divider || settings().layer !== 'compare' || (event.pointerType !== 'mouse' && event.buttons === 0)) return;
    const { left, width } = pane.getBoundingClientRect();
    divider.value = String(Math.round((100 * (event.clientX - left)) / width));
    repaint();
  });
  addEventListener('beforeprint', () => {
    limit = matching.length;
    reveal();
    for (const card of cards) if (!card.hidden) paintCard(card);
  });
})();
