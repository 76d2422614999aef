/**
 * Reads pickles of plain data without running what they ask for: numbers, text, lists, tuples, dicts, and the few callables that the
 * reader of a format knows. Everything else is refused by its name (Python's pickletools has the operations).
 */
import { oneLine } from '../printable.ts';

/** A pickle that cannot be read, and why. */
export class PickleProblem extends Error {}

/** A callable that a pickle names. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What a format's reader makes of the parts of a pickle that are not plain data. */
export interface PickleHandlers {
  /** Whether a callable or class of this name may stand in the file. */
  isKnown(name: string): boolean;
  /** The value of `callable(*args)`. */
  call(name: string, args: readonly unknown[]): unknown;
  /** The value of a persistent id (a storage). */
  persistent(id: unknown): unknown;
}

const MARK = Symbol('mark');
/**
 * Operations of one pickle: a checkpoint of a thousand tensors takes some 50,000, a Python list of numbers one for each. Each makes one value at
 * most, so that this bounds memory too.
 */
const MOST_OPERATIONS = 2_000_000;

/** Reads one pickle at `start`. Dicts become Maps, tuples and lists arrays. @returns the value and where the pickle ends. */
export function readPickle(
  bytes: Uint8Array,
  start: number,
  handlers: PickleHandlers,
): { readonly value: unknown; readonly end: number } {
  return new Unpickler(bytes, start, handlers).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #handlers: PickleHandlers;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  #at: number;

  constructor(bytes: Uint8Array, start: number, handlers: PickleHandlers) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#handlers = handlers;
    this.#at = start;
  }

  run(): { value: unknown; end: number } {
    for (let operations = 0; ; operations++) {
      if (operations === MOST_OPERATIONS) {
        throw new PickleProblem(
          `it takes more than ${MOST_OPERATIONS} operations: weights take thousands, so that it is hostile or carries a long list of numbers`,
        );
      }
      const at = this.#take(1);
      const code = this.#bytes[at];
      if (code === 0x2e) return { value: this.#pop(), end: this.#at };
      const value = this.#step(code, at);
      if (value !== undefined) this.#stack.push(value);
    }
  }

  /** Moves past `count` bytes and returns where they begin. */
  #take(count: number): number {
    const at = this.#at;
    if (!Number.isSafeInteger(count) || count < 0 || at + count > this.#bytes.length)
      throw new PickleProblem('it is cut short');
    this.#at = at + count;
    return at;
  }

  #pop(): unknown {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw new PickleProblem('it takes more values than it has made');
    return value;
  }

  #popToMark(): unknown[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw new PickleProblem('it ends a list that it has not begun');
    const values = this.#stack.splice(at);
    values.shift();
    return values;
  }

  #text(count: number): string {
    const at = this.#take(count);
    return new TextDecoder().decode(this.#bytes.subarray(at, at + count));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw new PickleProblem('it is cut short');
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #wide(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  #uint(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #long(count: number): number | bigint {
    if (count > 1024) throw new PickleProblem(`it holds a number of ${count} bytes`);
    const at = this.#take(count);
    let value = 0n;
    for (let index = count - 1; index >= 0; index--) value = (value << 8n) | BigInt(this.#bytes[at + index]);
    if (count > 0 && this.#bytes[at + count - 1] & 0x80) value -= 1n << BigInt(8 * count);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  #global(module: unknown, name: unknown): PickleGlobal {
    // Never by String(): a tuple of tuples of tuples, each remembered and used twice, would make an endless text.
    if (typeof module !== 'string' || typeof name !== 'string')
      throw new PickleProblem('it names a callable by other things than text');
    const full = `${module}.${name}`;
    if (!this.#handlers.isKnown(full)) {
      throw new PickleProblem(
        `it names ${oneLine(full)}, which is neither a tensor nor a container; gmtl runs no code of a file`,
      );
    }
    return new PickleGlobal(full);
  }

  #append(values: readonly unknown[]): void {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw new PickleProblem('it appends to what is not a list');
    for (const value of values) list.push(value);
  }

  #setItems(values: readonly unknown[]): void {
    const dict = this.#stack.at(-1);
    if (!(dict instanceof Map) || values.length % 2 !== 0)
      throw new PickleProblem('it sets items of what is not a dict');
    for (let index = 0; index < values.length; index += 2) dict.set(values[index], values[index + 1]);
  }

  #remember(key: number): void {
    if (this.#stack.length === 0) throw new PickleProblem('it remembers a value that it has not made');
    this.#memo.set(key, this.#stack.at(-1));
  }

  #recall(key: number): unknown {
    if (!this.#memo.has(key)) throw new PickleProblem('it recalls a value that it has not remembered');
    return this.#memo.get(key);
  }

  /** Runs one operation. Gives the value that it puts on the stack; undefined: none. */
  #step(code: number, at: number): unknown {
    switch (code) {
      case 0x80: // PROTO
        if (this.#bytes[this.#take(1)] > 5) throw new PickleProblem('it has an unknown protocol');
        return undefined;
      case 0x95: // FRAME
        this.#take(8);
        return undefined;
      case 0x28: // MARK
        return MARK;
      case 0x30: // POP
        if (this.#stack.pop() === undefined) throw new PickleProblem('it takes more values than it has made');
        return undefined;
      case 0x31: // POP_MARK
        this.#popToMark();
        return undefined;
      case 0x32: {
        // DUP
        const top = this.#pop();
        this.#stack.push(top);
        return top;
      }
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x49: {
        // INT
        const line = this.#line();
        return line === '01' ? true : line === '00' ? false : Number(line);
      }
      case 0x4a: // BININT
        return this.#view.getInt32(this.#take(4), true);
      case 0x4b: // BININT1
        return this.#bytes[this.#take(1)];
      case 0x4d: // BININT2
        return this.#view.getUint16(this.#take(2), true);
      case 0x4c: // LONG
        return Number(this.#line().replace(/L$/, ''));
      case 0x8a: // LONG1
        return this.#long(this.#bytes[this.#take(1)]);
      case 0x8b: // LONG4
        return this.#long(this.#uint());
      case 0x46: // FLOAT
        return Number(this.#line());
      case 0x47: // BINFLOAT
        return this.#view.getFloat64(this.#take(8), false);
      case 0x53: // STRING
        return this.#line().replace(/^(['"])(.*)\1$/, '$2');
      case 0x56: // UNICODE
        return this.#line();
      case 0x55: // SHORT_BINSTRING
      case 0x8c: // SHORT_BINUNICODE
        return this.#text(this.#bytes[this.#take(1)]);
      case 0x54: // BINSTRING
      case 0x58: // BINUNICODE
        return this.#text(this.#uint());
      case 0x8d: // BINUNICODE8
        return this.#text(this.#wide());
      case 0x43: // SHORT_BINBYTES
        return this.#skipBytes(this.#bytes[this.#take(1)]);
      case 0x42: // BINBYTES
        return this.#skipBytes(this.#uint());
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return [];
      case 0x6c: // LIST
      case 0x74: // TUPLE
        return this.#popToMark();
      case 0x85: // TUPLE1
      case 0x86:
      case 0x87:
        return Array.from({ length: code - 0x84 }, () => this.#pop()).reverse();
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#popToMark());
      case 0x7d: // EMPTY_DICT
        return new Map();
      case 0x64: {
        // DICT
        const items = this.#popToMark();
        this.#stack.push(new Map());
        return this.#setItems(items);
      }
      case 0x73: {
        // SETITEM
        const value = this.#pop();
        return this.#setItems([this.#pop(), value]);
      }
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark());
      case 0x63: // GLOBAL
        return this.#global(this.#line(), this.#line());
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        return this.#global(this.#pop(), name);
      }
      case 0x52: {
        // REDUCE
        const args = this.#pop();
        const callable = this.#pop();
        if (!(callable instanceof PickleGlobal) || !Array.isArray(args))
          throw new PickleProblem('it calls what is not a callable');
        return this.#handlers.call(callable.name, args);
      }
      case 0x62: // BUILD: what PyTorch sets on a state dict (its `_metadata`) is of no use here
        this.#pop();
        if (!(this.#stack.at(-1) instanceof Map)) throw new PickleProblem('it sets attributes of what is not a dict');
        return undefined;
      case 0x51: // BINPERSID
        return this.#handlers.persistent(this.#pop());
      case 0x68: // BINGET
        return this.#recall(this.#bytes[this.#take(1)]);
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#uint());
      case 0x67: // GET
        return this.#recall(Number(this.#line()));
      case 0x71: // BINPUT
        return this.#remember(this.#bytes[this.#take(1)]);
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#uint());
      case 0x70: // PUT
        return this.#remember(Number(this.#line()));
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size);
      default:
        throw new PickleProblem(
          `its operation 0x${code.toString(16)} at byte ${at} builds what is neither a tensor nor a container`,
        );
    }
  }

  /** Bytes in a checkpoint are of no use here; they stand as null. */
  #skipBytes(count: number): void {
    this.#take(count);
    this.#stack.push(null);
  }
}
