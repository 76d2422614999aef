/** Tier: no adapter. The server of the pages, asked by careless clients. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWebServer, type WebServer } from './server.ts';

let folder = '';
let server: WebServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-web-'));
  writeFileSync(join(folder, 'index.html'), 'the page');
  server = await startWebServer({ pages: folder, port: 0 });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** The status of an answer to a request with this target, as it stands. */
const statusOf = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    request({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });

test('a request target that is no URL (//, http://[) is answered: it ended the server', async () => {
  for (const target of ['//', '//x:99999/', 'http://[', '*', '/%zz', '/../../etc/passwd', '/..%2f..%2fetc/passwd']) {
    expect(await statusOf(target), target).toBe(404);
  }
  for (const target of ['/', '/index.html', '/?x=1', '/index.html?a//b'])
    expect(await statusOf(target), target).toBe(200);
});
