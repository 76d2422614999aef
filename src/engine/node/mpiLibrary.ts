/** The one file that calls MPI: finds the user's own library, tells its binary interface, and binds the functions that are used. */
import type * as KoffiModule from 'koffi';
import { GmtlError } from '../errors.ts';
import { requireOptional } from './optional.ts';

/** Which binary interface a library has: what a communicator or a data type is when it is passed. */
type Abi = 'Open MPI' | 'MPICH' | 'MPI 5 standard ABI';

/** A handle as it is passed: an integer (MPICH), or a pointer. */
type Handle = number | bigint;

/** The MPI functions that gmtl uses, on MPI_COMM_WORLD. Every one throws GmtlError `ranks/mpi` where MPI reports an error. */
export interface MpiLibrary {
  readonly path: string;
  readonly abi: Abi;
  /** As the library names itself, on one line. */
  readonly version: string;
  init(): void;
  rank(): number;
  size(): number;
  /** Chunk k of `send` goes to rank k; chunk k of `receive` comes from rank k. Both hold `size` chunks. */
  alltoall(send: Float32Array, receive: Float32Array): void;
  /** `receive` becomes the `send` of all ranks, by rank. */
  allgather(send: Uint8Array | Float32Array | Int32Array, receive: Uint8Array | Float32Array | Int32Array): void;
  /** Begins to wait for all ranks: the function returned says whether they have all come, and returns at once. */
  barrier(): () => boolean;
  finalize(): void;
  /** Ends every rank of the job. */
  abort(code: number): never;
}

/** Handles by their values in mpi.h: MPICH's are integers and part of its ABI, those of MPI 5 are fixed by the standard. */
const HANDLES = {
  MPICH: { world: 0x44000000, float: 0x4c00040a, byte: 0x4c00010d, handle: 'int' },
  'MPI 5 standard ABI': { world: 0x101n, float: 0x210n, byte: 0x247n, handle: 'void *' },
} as const;

const LINUX = {
  openMpi: ['libmpi.so.40', 'libmpi.so.20', 'libmpi.so.12'],
  mpich: ['libmpi.so.12', 'libmpich.so.12'],
  standard: ['libmpi_abi.so.1', 'libmpi_abi.so.0'],
};
const DARWIN = {
  openMpi: ['libmpi.40.dylib', 'libmpi.dylib'],
  mpich: ['libmpi.12.dylib', 'libmpi.dylib'],
  standard: ['libmpi_abi.1.dylib'],
};

/** Names to try, those of the family that started this process first. `GMTL_MPI_LIBRARY` names the one file to load. */
function candidates(environment: NodeJS.ProcessEnv): string[] {
  const named = environment.GMTL_MPI_LIBRARY;
  if (named !== undefined && named !== '') return [named];
  const { openMpi, mpich, standard } = process.platform === 'darwin' ? DARWIN : LINUX;
  const plain = process.platform === 'darwin' ? [] : ['libmpi.so'];
  const isOpenMpi = 'OMPI_COMM_WORLD_SIZE' in environment || 'PMIX_RANK' in environment;
  const isMpich = !isOpenMpi && ('PMI_SIZE' in environment || 'PMI_RANK' in environment);
  return [
    ...new Set(isMpich ? [...mpich, ...standard, ...plain, ...openMpi] : [...openMpi, ...plain, ...standard, ...mpich]),
  ];
}

/** What has to stand in the environment before the library is loaded; what the user set stays. */
function prepareEnvironment(): void {
  // UCX patches mmap and brk, and now and then V8's collector dies in it (1 to 2 % of runs; none of 240 with these).
  const defaults = { UCX_MEM_EVENTS: 'n', UCX_MEM_MMAP_HOOK_MODE: 'none', UCX_ERROR_SIGNALS: 'SIGILL,SIGBUS,SIGFPE' };
  for (const [name, value] of Object.entries(defaults)) process.env[name] ??= value;
}

type Koffi = typeof KoffiModule;

/** Loads a library that stays: at exit koffi unloads what it loaded, and the handlers that libmpi left behind then crash. */
function loadForGood(koffi: Koffi, path: string): KoffiModule.LibraryHandle {
  if (process.platform === 'linux') {
    const RTLD_LAZY = 0x1;
    const RTLD_GLOBAL = 0x100;
    const RTLD_NODELETE = 0x1000;
    const dlopen = koffi.load(null).func('dlopen', 'void *', ['str', 'int']);
    dlopen(path, RTLD_LAZY | RTLD_GLOBAL | RTLD_NODELETE);
  }
  return koffi.load(path, { lazy: true, global: true });
}

function has(library: KoffiModule.LibraryHandle, symbol: string): boolean {
  try {
    return library.symbol(symbol) !== null;
  } catch {
    return false;
  }
}

function abiOf(library: KoffiModule.LibraryHandle): Abi | null {
  if (!has(library, 'MPI_Init_thread')) return null;
  if (has(library, 'MPI_Abi_get_version') && !has(library, 'ompi_mpi_comm_world')) {
    const version = new Int32Array(2);
    library.func('MPI_Abi_get_version', 'int', ['void *', 'void *'])(version.subarray(0, 1), version.subarray(1));
    if (version[0] > 0) return 'MPI 5 standard ABI';
  }
  return has(library, 'ompi_mpi_comm_world') ? 'Open MPI' : 'MPICH';
}

function find(koffi: Koffi): { path: string; library: KoffiModule.LibraryHandle; abi: Abi } {
  const names = candidates(process.env);
  const tried: string[] = [];
  for (const path of names) {
    try {
      const library = loadForGood(koffi, path);
      const abi = abiOf(library);
      if (abi) return { path, library, abi };
      tried.push(`  ${path}: has no MPI_Init_thread`);
    } catch (error) {
      tried.push(`  ${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new GmtlError(
    'ranks/no-mpi',
    'no MPI library was found. Install the one whose mpirun you use (Debian: libopenmpi3 or libmpich12), ' +
      `or name its file: GMTL_MPI_LIBRARY=/path/to/libmpi.so. Tried:\n${tried.join('\n')}`,
  );
}

/** Loads the MPI library; the first call of `init` starts MPI. @throws GmtlError `install/missing` without koffi, `ranks/no-mpi`. */
export function loadMpi(): MpiLibrary {
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    throw new GmtlError(
      'ranks/no-mpi',
      `training on several ranks runs on Linux and macOS, not on ${process.platform}`,
    );
  }
  prepareEnvironment();
  const koffi = requireOptional<Koffi>('koffi');
  // MPICH needs more stack than koffi gives a call by default.
  koffi.config({ sync_stack_size: 8 << 20, async_stack_size: 4 << 20 });
  const { path, library, abi } = find(koffi);
  const pointer = (name: string): Handle => library.symbol(name) as bigint;
  const { world, float, byte, handle } =
    abi === 'Open MPI'
      ? {
          world: pointer('ompi_mpi_comm_world'),
          float: pointer('ompi_mpi_float'),
          byte: pointer('ompi_mpi_byte'),
          handle: 'void *',
        }
      : HANDLES[abi];
  const bind = (name: string, parameters: readonly string[]): ((...values: unknown[]) => void) => {
    const call = library.func(name, 'int', [...parameters]);
    return (...values) => {
      const code = call(...values) as number;
      if (code !== 0) throw new GmtlError('ranks/mpi', `${name} of ${path} failed with code ${code}`);
    };
  };
  const buffers = ['void *', 'int', handle, 'void *', 'int', handle, handle];
  const initThread = bind('MPI_Init_thread', ['void *', 'void *', 'int', 'void *']);
  const commRank = bind('MPI_Comm_rank', [handle, 'void *']);
  const commSize = bind('MPI_Comm_size', [handle, 'void *']);
  const versionOf = bind('MPI_Get_library_version', ['void *', 'void *']);
  const alltoall = bind('MPI_Alltoall', buffers);
  const allgather = bind('MPI_Allgather', buffers);
  const ibarrier = bind('MPI_Ibarrier', [handle, 'void *']);
  const test = bind('MPI_Test', ['void *', 'void *', 'void *']);
  const finalize = bind('MPI_Finalize', []);
  const abort = bind('MPI_Abort', [handle, 'int']);
  const number = (read: (...values: unknown[]) => void): number => {
    const out = new Int32Array(1);
    read(world, out);
    return out[0];
  };
  const text = new Uint8Array(8192);
  const length = new Int32Array(1);
  versionOf(text, length);
  return {
    path,
    abi,
    version: Buffer.from(text.subarray(0, length[0])).toString().replaceAll('\0', '').trim().split('\n')[0],
    init: () => {
      const FUNNELED = 1;
      // MPI 5 fixes MPI_THREAD_FUNNELED to 1024; the others number the levels from 0.
      initThread(null, null, abi === 'MPI 5 standard ABI' ? 1024 : FUNNELED, new Int32Array(1));
    },
    rank: () => number(commRank),
    size: () => number(commSize),
    alltoall(send, receive) {
      const count = receive.length / number(commSize);
      alltoall(send, count, float, receive, count, float, world);
    },
    allgather(send, receive) {
      allgather(send, send.byteLength, byte, receive, send.byteLength, byte, world);
    },
    barrier() {
      const request = new BigInt64Array(1);
      ibarrier(world, request);
      const flag = new Int32Array(1);
      // As large as any MPI_Status.
      const status = new BigInt64Array(16);
      return () => {
        if (flag[0] === 0) test(request, flag, status);
        return flag[0] !== 0;
      };
    },
    finalize: () => finalize(),
    abort(code) {
      abort(world, code);
      process.exit(code);
    },
  };
}
