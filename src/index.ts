/** gmtl as a library in Node: what a browser has too (see src/browser.ts), and adapters, engines and weight files. */
export * from './browser.ts';
export { type AdapterChoice, listAdapters } from './engine/node/open.ts';
export { createEngine, type CreateEngineOptions, type OpenedEngine, withEngine } from './engine/node/createEngine.ts';
export { readSafetensors, writeSafetensors } from './engine/node/safetensorsFile.ts';
