/** Keeps the pages' own files, and the model that a server offers beside them, so that they work without a network. */

/** The parts of the service worker's types that the DOM library lacks. */
interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchRequest extends Extendable {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface ServiceWorkerScope {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchRequest) => void): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;
const PAGES = `gmtl-pages-${GMTL_BUILD}`;
const MODEL = 'gmtl-model';
const base = new URL('./', scope.location.href);

scope.addEventListener('install', (event) => {
  const add = async (): Promise<void> => {
    const cache = await caches.open(PAGES);
    await cache.addAll(GMTL_FILES.map((file) => new Request(new URL(file, base), { cache: 'reload' })));
    await scope.skipWaiting();
  };
  event.waitUntil(add());
});

scope.addEventListener('activate', (event) => {
  const clean = async (): Promise<void> => {
    for (const name of await caches.keys()) {
      if (name.startsWith('gmtl-pages-') && name !== PAGES) await caches.delete(name);
    }
    await scope.clients.claim();
  };
  event.waitUntil(clean());
});

/** The pages' files come from the cache: they belong together. */
async function fromPages(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname.endsWith('/')) url.pathname += 'index.html';
  const cached = await (await caches.open(PAGES)).match(url.href, { ignoreSearch: true });
  return cached ?? fetch(request);
}

/** The model comes from the server while there is one, as another run may be served next time; else as it was last. */
async function fromServer(request: Request): Promise<Response> {
  const cache = await caches.open(MODEL);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    else if (response.status === 404) await cache.delete(request);
    return response;
  } catch (error) {
    const cached = await cache.match(request);
    if (cached) return cached;
    throw error;
  }
}

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(base.href)) return;
  const isModel = request.url.startsWith(new URL('model/', base).href);
  event.respondWith(isModel ? fromServer(request) : fromPages(request));
});
