/** Serves the built pages, and a model beside them, to this machine alone: the work of `gmtl web`. */
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GmtlError } from '../src/engine/errors.ts';

/** Nobody but this machine. */
const HOST = '127.0.0.1';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.md': 'text/plain; charset=utf-8',
  '.map': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};

/** The pages carry the same policy; workers take theirs from the answer. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

export interface WebServerOptions {
  /** Folder of a model that `gmtl export --format web` wrote; it appears under `model/`. */
  readonly model?: string | undefined;
  /** Folder of the built pages. Default: the package's own. */
  readonly pages?: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface WebServer {
  /** `http://127.0.0.1:8484/`. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts the server. Only files that are there now are served, and only to requests that name this machine (a page elsewhere whose name
 * resolves to 127.0.0.1 gets nothing).
 *
 * @throws GmtlError `web/not-built` where the pages have not been built, `web/port` where the port cannot be had.
 */
export async function startWebServer({ model, pages = pagesFolder(), port }: WebServerOptions): Promise<WebServer> {
  const files = new Map(list(pages, '/'));
  for (const [path, file] of model === undefined ? [] : list(model, '/model/')) files.set(path, file);
  const server = createServer((request, response) => {
    const { host = '' } = request.headers;
    if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host)) return refuse(response, 403, 'not for this host');
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'only GET');
    // Not as a URL: "//" is none, and parsing it throws.
    const [path] = (request.url ?? '/').split(/[?#]/);
    const file = files.get(path === '/' ? '/index.html' : decode(path));
    if (file === undefined) return refuse(response, 404, 'no such file');
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) return refuse(response, 404, 'the file is gone');
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': size });
    if (request.method === 'HEAD') return void response.end();
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
  });
  const bound = await listen(server, port);
  return {
    url: `http://${HOST}:${bound}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** Every file below a folder: its path there with slashes, behind `at`, and where it is. */
function list(folder: string, at: string): [path: string, file: string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => [`${at}${path.replaceAll('\\', '/')}`, join(folder, path)]);
}

/** `dist/pages` of the package: this file is run from its sources and from dist/ alike. */
function pagesFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const pages = join(folder, 'dist', 'pages');
    if (existsSync(join(pages, 'index.html'))) return pages;
    if (folder === dirname(folder)) {
      throw new GmtlError('web/not-built', 'the pages are not built yet. Build them first: npm run web');
    }
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another program uses it' : cause.message;
      reject(
        new GmtlError('web/port', `port ${port} of ${HOST}: ${why}. Choose another with --port, 0 for any.`, { cause }),
      );
    });
    server.listen(port, HOST, () => resolve((server.address() as AddressInfo).port));
  });
}
