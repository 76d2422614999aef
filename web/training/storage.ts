/** What was learnt, in the browser's own database: it survives a reload, and stays on this device. */
import type { StepEvent } from './messages.ts';

/** A state of the training. The tensors are safetensors files. */
export interface SavedTraining {
  /** Of gmtl and of this format: another one is not read. */
  readonly version: string;
  readonly step: number;
  readonly weights: Uint8Array;
  readonly optimizer: Uint8Array;
  readonly history: readonly StepEvent[];
  readonly learningRate: number;
}

const STORE = 'training';
const KEY = 'latest';

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('gmtl', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function transact<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = opened.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    opened.close();
  }
}

/** Null where nothing was saved, or by another version. */
export async function loadTraining(version: string): Promise<SavedTraining | null> {
  const saved = (await transact('readonly', (store) => store.get(KEY))) as SavedTraining | undefined;
  return saved?.version === version ? saved : null;
}

export async function saveTraining(saved: SavedTraining): Promise<void> {
  await transact('readwrite', (store) => store.put(saved, KEY));
}

export async function forgetTraining(): Promise<void> {
  await transact('readwrite', (store) => store.delete(KEY));
}
