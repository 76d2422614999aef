// @ts-check
/* The button that changes between light and dark, and the mark at the section being read. */
(() => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const announce = () => document.dispatchEvent(new CustomEvent('gmtl-theme', { detail: { dark: isDark() } }));
  // Storage is refused on file:// by some browsers; the choice then lasts as long as the page.
  /** @param {(storage: Storage) => void} use */
  const withStorage = (use) => {
    try {
      use(localStorage);
    } catch {
      return;
    }
  };
  withStorage((storage) => {
    const stored = storage.getItem('gmtl-theme');
    if (stored === 'dark' || stored === 'light') root.dataset.theme = stored;
  });
  document.getElementById('theme')?.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    root.dataset.theme = next;
    withStorage((storage) => storage.setItem('gmtl-theme', next));
    announce();
  });
  system.addEventListener('change', announce);
  // Paper is white.
  /** @type {string | undefined} */
  let before;
  addEventListener('beforeprint', () => {
    before = root.dataset.theme;
    root.dataset.theme = 'light';
    for (const one of document.querySelectorAll('details')) one.open = true;
    announce();
  });
  addEventListener('afterprint', () => {
    if (before === undefined) delete root.dataset.theme;
    else root.dataset.theme = before;
    announce();
  });

  const links = new Map(
    [...document.querySelectorAll('.contents a')].map((link) => [link.getAttribute('href')?.slice(1) ?? '', link]),
  );
  const seen = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) seen.add(target.id);
        else seen.delete(target.id);
      }
      const current = [...links.keys()].find((id) => seen.has(id));
      for (const [id, link] of links) {
        if (id !== current) link.removeAttribute('aria-current');
        else if (!link.hasAttribute('aria-current')) {
          link.setAttribute('aria-current', 'true');
          // On a phone the contents are one line that scrolls sideways.
          const line = link.closest('ol');
          if (line) line.scrollLeft += link.getBoundingClientRect().left - line.getBoundingClientRect().left - 40;
        }
      }
    },
    { rootMargin: '-80px 0px -55% 0px' },
  );
  for (const section of document.querySelectorAll('main > section')) watcher.observe(section);
})();
